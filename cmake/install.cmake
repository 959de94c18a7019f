# libpith.so, which shows the C++ API alone, and what `cmake --install` puts where. The wheel of the Python package is the component `python`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(libpith SHARED $<TARGET_OBJECTS:pith_api>)
add_library(pith::pith ALIAS libpith)
target_link_libraries(libpith PRIVATE pith_engine pith_hub)
target_link_options(libpith PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/libpith.map)
target_include_directories(libpith INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(libpith INTERFACE cxx_std_17)
set_target_properties(libpith PROPERTIES OUTPUT_NAME pith EXPORT_NAME pith VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE CXX
                      LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/libpith.map)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/pith)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/pithConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS pith)
install(TARGETS libpith EXPORT pithTargets)
install(DIRECTORY include/pith TYPE INCLUDE)
install(EXPORT pithTargets NAMESPACE pith:: DESTINATION ${package_folder})
install(FILES cmake/pithConfig.cmake ${CMAKE_BINARY_DIR}/pithConfigVersion.cmake DESTINATION ${package_folder})
