# Helpers for this source tree only: flags as a target, tests, optional folders.

# Warnings and sanitizers, as usage requirements of everything that is built here.
add_library(synckit_flags INTERFACE)
target_compile_options(synckit_flags INTERFACE -Wall -Wextra)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports overlaps inside std::string's own operator+ (GCC bug 105651).
  target_compile_options(synckit_flags INTERFACE -Wno-restrict)
endif()
if(SYNCKIT_WERROR)
  target_compile_options(synckit_flags INTERFACE -Werror)
endif()
if(SYNCKIT_SANITIZE)
  target_compile_options(synckit_flags INTERFACE -fsanitize=${SYNCKIT_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(synckit_flags INTERFACE -fsanitize=${SYNCKIT_SANITIZE})
endif()
if(SYNCKIT_FUZZ)  # coverage of everything that a fuzz target links
  target_compile_options(synckit_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(synckit_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# synckit_add_test(name SOURCES a.cpp ... LIBS x y ... [TIMEOUT seconds] [NO_MAIN])
# A GoogleTest executable, registered with ctest; its label is the folder under tests/ (or the
# top folder), so that `ctest -L laws` runs one kind.
# The target `synckit_tests` builds them all.
add_custom_target(synckit_tests)
function(synckit_add_test name)
  cmake_parse_arguments(ARG "NO_MAIN" "TIMEOUT;LABEL" "SOURCES;LIBS" ${ARGN})
  if(NOT SYNCKIT_TESTS)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  file(RELATIVE_PATH here ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  if(NOT ARG_LABEL)
    string(REGEX REPLACE "^tests/([^/]+).*" "\\1" ARG_LABEL "${here}")
    string(REGEX REPLACE "^([^/]+)/.*" "\\1" ARG_LABEL "${ARG_LABEL}")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} synckit_sdk synckit_flags GTest::gtest)
  if(NOT ARG_NO_MAIN)
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_dependencies(synckit_tests ${name})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABEL}")
endfunction()

# synckit_add_fuzzer(name SOURCES a.cpp LIBS x): a libFuzzer target.
function(synckit_add_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  if(NOT SYNCKIT_FUZZ)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} synckit_sdk synckit_flags)
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
