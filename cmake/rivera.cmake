# How a folder becomes a library with its unit tests, and a folder of cmd/ a program.
include(GoogleTest)

# Every unit and conformance test program: what ./test builds with sanitizers, and runs as unit_tests.txt lists them.
add_custom_target(unit_tests)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/unit_tests.txt
  CONTENT "$<JOIN:$<TARGET_PROPERTY:unit_tests,RIVERA_PROGRAMS>,\n>\n")

# rivera_unit_test(<target> LABEL <label>): makes a test program one of those.
function(rivera_unit_test target)
  cmake_parse_arguments(arg "" "LABEL" "" ${ARGN})
  string(REGEX REPLACE "_test$" "" name ${target})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_dependencies(unit_tests ${target})
  set_property(TARGET unit_tests APPEND PROPERTY RIVERA_PROGRAMS ${CMAKE_BINARY_DIR}/tests/${target})
  gtest_discover_tests(${target} TEST_PREFIX "${name}/" DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT 120 LABELS ${arg_LABEL})
endfunction()

# Every program of the product and nothing else: what ./run builds.
add_custom_target(programs)

# The standard and third-party headers that nearly every file includes, precompiled once for each kind of code.
# What ccache hashes in place of the precompiled header (CCACHE_PCH_EXTSUM), so that objects are shared between build
# directories, is everything that its content depends on.
file(SHA256 ${CMAKE_SOURCE_DIR}/cmake/pch.h pch_hash)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(pch_suffix pch)
else()
  set(pch_suffix gch)
endif()
function(rivera_precompiled_header name)
  add_library(${name} OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
  target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
  target_compile_options(${name} PRIVATE ${ARGN})
  target_link_libraries(${name} PRIVATE rivera_warnings rivera_asio Boost::json fmt::fmt)
  file(WRITE ${CMAKE_BINARY_DIR}/CMakeFiles/${name}.dir/cmake_pch.hxx.${pch_suffix}.sum
    "${pch_hash} ${CMAKE_CXX_COMPILER_VERSION} ${Boost_VERSION} ${fmt_VERSION} ${CMAKE_CXX_FLAGS} ${RIVERA_SANITIZE}\n")
endfunction()
rivera_precompiled_header(rivera_pch)
if(RIVERA_FUZZ)
  rivera_precompiled_header(rivera_pch_fuzzed ${RIVERA_FUZZED_OPTIONS})
endif()

# rivera_compile(<target> [FUZZED]): compiles a target of ours with our warnings and the precompiled header. The header
# makes no target link what it includes.
function(rivera_compile target)
  cmake_parse_arguments(arg "FUZZED" "" "" ${ARGN})
  target_link_libraries(${target} PRIVATE rivera_warnings)
  target_compile_definitions(${target} PRIVATE ${RIVERA_ASIO_DEFINITIONS})
  if(arg_FUZZED AND RIVERA_FUZZ)
    target_compile_options(${target} PRIVATE ${RIVERA_FUZZED_OPTIONS})
    target_precompile_headers(${target} REUSE_FROM rivera_pch_fuzzed)
  else()
    target_precompile_headers(${target} REUSE_FROM rivera_pch)
  endif()
endfunction()

# What a wing of helpers for tests is called: no program links it.
set(RIVERA_TEST_WINGS "/(testing|board_model)/")

# rivera_unity(<target>): compiles the sources of a wing as one, at most eight at a time, so that a new file disturbs no
# other wing's objects. Names in the anonymous namespaces of one wing must differ.
function(rivera_unity target)
  get_target_property(sources ${target} SOURCES)
  set(wings "")
  foreach(source ${sources})
    get_filename_component(wing ${source} DIRECTORY)
    string(MAKE_C_IDENTIFIER "${wing}" wing)
    list(APPEND wings_of_${wing} ${source})
    list(APPEND wings ${wing})
  endforeach()
  list(REMOVE_DUPLICATES wings)
  foreach(wing ${wings})
    set(index 0)
    foreach(source ${wings_of_${wing}})
      math(EXPR part "${index} / 8")
      file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${source})
      get_filename_component(name ${name} DIRECTORY)
      string(MAKE_C_IDENTIFIER "${name}_${part}" group)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
      math(EXPR index "${index} + 1")
    endforeach()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
endfunction()

# rivera_library(<folder> [FUZZED] [CORE file...] [DEPENDS target...] [PRIVATE target...] [TEST_DEPENDS target...])
#
# Of the sources below src/<folder>, those in wings for tests become the library rivera_<folder>_testing, *_test.cc the
# program <folder>_test, the files of CORE rivera_<folder>_core, and all others the library rivera_<folder>. New files are
# picked up by name: nothing else is listed by hand.
function(rivera_library folder)
  cmake_parse_arguments(arg "FUZZED" "" "CORE;DEPENDS;PRIVATE;TEST_DEPENDS" ${ARGN})
  set(fuzzed "")
  if(arg_FUZZED)
    set(fuzzed FUZZED)
  endif()
  # Relative: the names of folders above the checkout say nothing.
  file(GLOB_RECURSE sources RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(helpers ${sources})
  list(FILTER helpers INCLUDE REGEX "${RIVERA_TEST_WINGS}")
  list(FILTER sources EXCLUDE REGEX "${RIVERA_TEST_WINGS}")
  foreach(list sources tests helpers)
    list(TRANSFORM ${list} PREPEND ${CMAKE_SOURCE_DIR}/)
  endforeach()

  if(arg_CORE)
    list(TRANSFORM arg_CORE PREPEND ${CMAKE_SOURCE_DIR}/src/${folder}/)
    list(REMOVE_ITEM sources ${arg_CORE})
    add_library(rivera_${folder}_core STATIC ${arg_CORE})
    rivera_compile(rivera_${folder}_core ${fuzzed})
    target_link_libraries(rivera_${folder}_core PUBLIC Boost::json fmt::fmt)
    target_include_directories(rivera_${folder}_core PUBLIC ${CMAKE_SOURCE_DIR}/src)
    rivera_unity(rivera_${folder}_core)
    list(APPEND arg_DEPENDS rivera_${folder}_core)
  endif()

  add_library(rivera_${folder} STATIC ${sources})
  rivera_compile(rivera_${folder} ${fuzzed})
  target_link_libraries(rivera_${folder} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE})
  target_include_directories(rivera_${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  rivera_unity(rivera_${folder})

  if(helpers)
    add_library(rivera_${folder}_testing STATIC ${helpers})
    rivera_compile(rivera_${folder}_testing)
    target_link_libraries(rivera_${folder}_testing PUBLIC rivera_${folder} ${arg_TEST_DEPENDS})
    rivera_unity(rivera_${folder}_testing)
    set(arg_TEST_DEPENDS rivera_${folder}_testing)
  endif()

  if(tests)
    add_executable(${folder}_test ${tests})
    rivera_compile(${folder}_test)
    target_link_libraries(${folder}_test PRIVATE rivera_${folder} ${arg_TEST_DEPENDS} rivera_base_testing
      GTest::gtest GTest::gmock GTest::gtest_main ${arg_PRIVATE})
    rivera_unity(${folder}_test)
    rivera_unit_test(${folder}_test LABEL unit)
  endif()
endfunction()

# rivera_binary(<name> [USES component...]): cmd/<name>/*.cc becomes bin/<name>. Without USES the component has the
# program's own name.
function(rivera_binary name)
  cmake_parse_arguments(arg "" "" "USES" ${ARGN})
  if(NOT arg_USES)
    set(arg_USES ${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmd/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(bin_${name} ${sources})
  rivera_compile(bin_${name})
  set_target_properties(bin_${name} PROPERTIES OUTPUT_NAME ${name})
  list(TRANSFORM arg_USES PREPEND rivera_)
  target_link_libraries(bin_${name} PRIVATE ${arg_USES})
  add_dependencies(programs bin_${name})
endfunction()

# rivera_proto(<library> <file.proto>...): <library> has the messages; <library>_services the gRPC services of files that
# declare any, so that who needs messages alone does not link gRPC.
function(rivera_proto library)
  set(out ${CMAKE_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out})
  set(messages "")
  set(services "")
  foreach(file ${ARGN})
    get_filename_component(stem ${file} NAME_WE)
    file(STRINGS ${file} declared REGEX "^service ")
    set(outputs ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    list(APPEND messages ${outputs})
    set(command protobuf::protoc --cpp_out=${out} -I ${CMAKE_CURRENT_SOURCE_DIR})
    if(declared)
      list(APPEND services ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND outputs ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND command --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(OUTPUT ${outputs} COMMAND ${command} ${CMAKE_CURRENT_SOURCE_DIR}/${file}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} COMMENT "Generating ${file}" VERBATIM)
  endforeach()
  add_custom_target(${library}_headers DEPENDS ${messages} ${services})
  rivera_generated(${library} ${messages})
  target_link_libraries(${library} PUBLIC protobuf::libprotobuf)
  rivera_generated(${library}_services ${services})
  target_link_libraries(${library}_services PUBLIC ${library} gRPC::grpc++)
  # One command makes what is in both.
  add_dependencies(${library} ${library}_headers)
  add_dependencies(${library}_services ${library}_headers)
endfunction()

# rivera_generated(<library> <generated file>...): compiled as one, without our warnings; the preprocessor
# distinguishes the names that each file has for itself.
function(rivera_generated library)
  set(unity "")
  foreach(source ${ARGN})
    if(source MATCHES "\\.cc$")
      get_filename_component(name ${source} NAME)
      string(MAKE_C_IDENTIFIER ${name} id)
      string(APPEND unity "#define file_default_instances file_default_instances_${id}\n#define schemas schemas_${id}\n"
        "#include \"${name}\"\n#undef file_default_instances\n#undef schemas\n")
    endif()
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated)
  file(CONFIGURE OUTPUT ${out}/${library}.cc CONTENT "${unity}" @ONLY)
  set_source_files_properties(${ARGN} PROPERTIES HEADER_FILE_ONLY ON)
  add_library(${library} STATIC ${out}/${library}.cc ${ARGN})
  set_target_properties(${library} PROPERTIES UNITY_BUILD OFF)
  target_include_directories(${library} SYSTEM PUBLIC ${out})
  if(RIVERA_FUZZ)
    target_compile_options(${library} PRIVATE ${RIVERA_FUZZED_OPTIONS})
  endif()
endfunction()

# rivera_static_program(<name> source...): a small program that links nothing but libc, statically and without sanitizers,
# because it runs beside or inside containers.
function(rivera_static_program name)
  add_executable(bin_${name} ${ARGN})
  set_target_properties(bin_${name} PROPERTIES OUTPUT_NAME ${name} RIVERA_STATIC ON)
  target_include_directories(bin_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(bin_${name} PRIVATE rivera_warnings)
  target_compile_options(bin_${name} PRIVATE -fno-sanitize=all)
  target_link_options(bin_${name} PRIVATE -fno-sanitize=all)
endfunction()
