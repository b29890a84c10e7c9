# synckit_add_crdt(name SOURCES ... [LIBS ...])     a CRDT plugin: libsynckit_<name>.so
# synckit_add_plugin(name SOURCES ... [LIBS ...])   any other plugin, the same way
#
# Used by this tree and, installed, by plugin projects (`find_package(SyncKit)`). A plugin is built
# with hidden visibility and without unique symbols, so that nothing of it but the entry symbol
# can meet another plugin's. Inside the tree each plugin is also a static library,
# `synckit_<name>_static`, whose entry symbol is `synckit_plugin_v1_<name>`.

function(synckit_add_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(synckit_${name} MODULE ${ARG_SOURCES})
  target_compile_features(synckit_${name} PRIVATE cxx_std_20)
  target_link_libraries(synckit_${name} PRIVATE SyncKit::sdk ${ARG_LIBS})
  set_target_properties(synckit_${name} PROPERTIES
    PREFIX "lib" OUTPUT_NAME "synckit_${name}"
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(synckit_${name} PRIVATE -fno-gnu-unique)
  endif()
  if(NOT SYNCKIT_SANITIZE AND NOT APPLE)
    target_link_options(synckit_${name} PRIVATE -Wl,--no-undefined)
  endif()
  if(TARGET synckit_flags)
    target_link_libraries(synckit_${name} PRIVATE synckit_flags)
    add_library(synckit_${name}_static STATIC ${ARG_SOURCES})
    target_compile_definitions(synckit_${name}_static PRIVATE
                               SYNCKIT_PLUGIN_SYMBOL=synckit_plugin_v1_${name})
    target_link_libraries(synckit_${name}_static PUBLIC SyncKit::sdk ${ARG_LIBS}
                          PRIVATE synckit_flags)
    target_include_directories(synckit_${name}_static INTERFACE ${CMAKE_CURRENT_SOURCE_DIR})
    install(TARGETS synckit_${name} LIBRARY DESTINATION lib/synckit/plugins)
  endif()
endfunction()

function(synckit_add_crdt name)
  synckit_add_plugin(${name} ${ARGN})
endfunction()
