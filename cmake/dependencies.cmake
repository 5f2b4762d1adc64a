# Everything comes from Debian packages (scripts/setup.sh installs them).
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(dnnl REQUIRED)
find_package(Eigen3 REQUIRED)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)

# What each layer links besides the layers below it.
set(ILORA_LIBS_base fmt::fmt nlohmann_json::nlohmann_json yaml-cpp OpenMP::OpenMP_CXX)
set(ILORA_LIBS_kernels DNNL::dnnl PkgConfig::hwy)
set(ILORA_LIBS_text PkgConfig::pcre2 PkgConfig::utf8proc)
set(ILORA_LIBS_analysis Eigen3::Eigen)
set(ILORA_LIBS_cli CLI11::CLI11)
