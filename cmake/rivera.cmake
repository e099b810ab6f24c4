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

# The standard and third-party headers that nearly every file includes, precompiled once.
add_library(rivera_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
target_precompile_headers(rivera_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
target_link_libraries(rivera_pch PRIVATE rivera_warnings rivera_third_party_base)

# What ccache hashes in place of the precompiled header (CCACHE_PCH_EXTSUM), so that objects are shared between build
# directories: everything the header's content depends on.
file(SHA256 ${CMAKE_SOURCE_DIR}/cmake/pch.h pch_hash)
file(WRITE ${CMAKE_BINARY_DIR}/CMakeFiles/rivera_pch.dir/cmake_pch.hxx.gch.sum
  "${pch_hash} ${CMAKE_CXX_COMPILER_VERSION} ${Boost_VERSION} ${fmt_VERSION} ${CMAKE_CXX_FLAGS} ${RIVERA_SANITIZE}\n")

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

# rivera_library(<folder> [DEPENDS target...] [TEST_DEPENDS target...])
#
# Of the sources below src/<folder>, those in wings for tests become the library rivera_<folder>_testing, *_test.cc the
# program <folder>_test, and all others the library rivera_<folder>. New files are picked up by name: nothing is listed
# by hand.
function(rivera_library folder)
  cmake_parse_arguments(arg "" "" "DEPENDS;TEST_DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(helpers ${sources})
  list(FILTER helpers INCLUDE REGEX "${RIVERA_TEST_WINGS}")
  list(FILTER sources EXCLUDE REGEX "${RIVERA_TEST_WINGS}")

  add_library(rivera_${folder} STATIC ${sources})
  target_link_libraries(rivera_${folder} PRIVATE rivera_warnings PUBLIC ${arg_DEPENDS})
  target_include_directories(rivera_${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_precompile_headers(rivera_${folder} REUSE_FROM rivera_pch)
  rivera_unity(rivera_${folder})
  target_link_libraries(rivera_${folder} PUBLIC rivera_third_party_base)

  if(helpers)
    add_library(rivera_${folder}_testing STATIC ${helpers})
    target_link_libraries(rivera_${folder}_testing PRIVATE rivera_warnings PUBLIC rivera_${folder} ${arg_TEST_DEPENDS})
    target_precompile_headers(rivera_${folder}_testing REUSE_FROM rivera_pch)
    rivera_unity(rivera_${folder}_testing)
    set(arg_TEST_DEPENDS rivera_${folder}_testing)
  endif()

  if(tests)
    add_executable(${folder}_test ${tests})
    target_link_libraries(${folder}_test PRIVATE rivera_${folder} ${arg_TEST_DEPENDS} rivera_base_testing rivera_warnings
      rivera_third_party_base GTest::gtest GTest::gmock GTest::gtest_main)
    target_precompile_headers(${folder}_test REUSE_FROM rivera_pch)
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
  set_target_properties(bin_${name} PROPERTIES OUTPUT_NAME ${name})
  list(TRANSFORM arg_USES PREPEND rivera_)
  target_link_libraries(bin_${name} PRIVATE ${arg_USES} rivera_warnings rivera_third_party_base)
  target_precompile_headers(bin_${name} REUSE_FROM rivera_pch)
  add_dependencies(programs bin_${name})
endfunction()

# rivera_proto(<library> <file.proto>...): messages, and gRPC services for files that declare any.
function(rivera_proto library)
  set(out ${CMAKE_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out})
  set(generated)
  foreach(file ${ARGN})
    get_filename_component(stem ${file} NAME_WE)
    file(STRINGS ${file} services REGEX "^service ")
    set(outputs ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(command protobuf::protoc --cpp_out=${out} -I ${CMAKE_CURRENT_SOURCE_DIR})
    if(services)
      list(APPEND outputs ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND command --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
      set(uses_grpc TRUE)
    endif()
    add_custom_command(OUTPUT ${outputs} COMMAND ${command} ${CMAKE_CURRENT_SOURCE_DIR}/${file}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} COMMENT "Generating ${file}" VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()
  if(NOT generated)
    add_library(${library} INTERFACE)
    return()
  endif()
  # Compiled as one: the names that each file has for itself are told apart by the preprocessor.
  set(unity "")
  foreach(source ${generated})
    if(source MATCHES "\\.cc$")
      get_filename_component(stem ${source} NAME)
      string(MAKE_C_IDENTIFIER ${stem} id)
      string(APPEND unity "#define file_default_instances file_default_instances_${id}\n#define schemas schemas_${id}\n"
        "#include \"${stem}\"\n#undef file_default_instances\n#undef schemas\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT ${out}/${library}.cc CONTENT "${unity}" @ONLY)
  set_source_files_properties(${generated} PROPERTIES HEADER_FILE_ONLY ON)
  add_library(${library} STATIC ${out}/${library}.cc ${generated})
  set_target_properties(${library} PROPERTIES UNITY_BUILD OFF)
  target_include_directories(${library} SYSTEM PUBLIC ${out})
  target_link_libraries(${library} PUBLIC protobuf::libprotobuf)
  if(uses_grpc)
    target_link_libraries(${library} PUBLIC gRPC::grpc++)
  endif()
endfunction()

# rivera_static_program(<name> source...): a small program that links nothing but libc, statically and without sanitizers,
# because it runs beside or inside containers.
function(rivera_static_program name)
  add_executable(bin_${name} ${ARGN})
  set_target_properties(bin_${name} PROPERTIES OUTPUT_NAME ${name} POSITION_INDEPENDENT_CODE OFF)
  target_include_directories(bin_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(bin_${name} PRIVATE rivera_warnings)
  target_compile_options(bin_${name} PRIVATE -fno-sanitize=all)
  target_link_options(bin_${name} PRIVATE -fno-sanitize=all -static)
  add_dependencies(programs bin_${name})
endfunction()
