# What `cmake --install` puts in place: the program, the library's header, and the layers' archives with a CMake package,
# so that find_package(ilora) gives the target ilora::ilora (examples/embedding uses it).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ilora)

add_library(ilora_library INTERFACE)
target_link_libraries(ilora_library INTERFACE ilora_session)
target_include_directories(ilora_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(ilora_library INTERFACE cxx_std_20)
set_target_properties(ilora_library PROPERTIES EXPORT_NAME ilora)

set(archives ${ILORA_LAYERS})
list(REMOVE_ITEM archives cli)
list(TRANSFORM archives PREPEND ilora_)
install(TARGETS ilora RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ilora_library ilora_flags ${archives} EXPORT ilora ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT ilora NAMESPACE ilora:: DESTINATION ${package})
install(DIRECTORY include/ilora DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/iloraConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/iloraConfig.cmake @ONLY CONTENT [[
include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ilora.cmake)
]])
install(FILES ${CMAKE_BINARY_DIR}/iloraConfig.cmake ${CMAKE_BINARY_DIR}/iloraConfigVersion.cmake
              cmake/dependencies.cmake DESTINATION ${package})
