# Compiler flags shared by every target. Never -ffast-math; no contraction of a*b+c behind our back: the same
# source must give the same bits (docs/numerics.md).
add_library(ilora_flags INTERFACE)
target_compile_options(ilora_flags INTERFACE "$<BUILD_INTERFACE:-Wall;-Wextra;-Wshadow;-Wnon-virtual-dtor>"
                                                 $<BUILD_INTERFACE:-ffp-contract=off>)
if(ILORA_WERROR)
  target_compile_options(ilora_flags INTERFACE $<BUILD_INTERFACE:-Werror>)
endif()
if(ILORA_NATIVE)
  target_compile_options(ilora_flags INTERFACE $<BUILD_INTERFACE:-march=native>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 for AVX-512: its vectoriser of straight code copies the doubles {1, 1, 1, 0} as {1, 1, 1, 1} (docs/log.md);
    # its intrinsics, which Eigen then uses, set off the warning.
    target_compile_options(ilora_flags INTERFACE
                           "$<BUILD_INTERFACE:-fno-tree-slp-vectorize;-Wno-maybe-uninitialized>")
  endif()
endif()
if(ILORA_SANITIZE)
  target_compile_options(ilora_flags INTERFACE -fsanitize=${ILORA_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(ilora_flags INTERFACE -fsanitize=${ILORA_SANITIZE})
endif()
target_include_directories(ilora_flags INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
                                                 $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
target_compile_definitions(ilora_flags INTERFACE $<BUILD_INTERFACE:ILORA_VERSION="${PROJECT_VERSION}">)
# Complex numbers serve differentiation alone, with finite values: no need for products that mend NaN and infinity.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/kernels/reference/table.cpp PROPERTIES COMPILE_OPTIONS
                              -fcx-limited-range)
endif()
