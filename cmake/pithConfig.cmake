# find_package(pith) defines pith::pith, the C++ API. It needs no other package.
include("${CMAKE_CURRENT_LIST_DIR}/pithTargets.cmake")
