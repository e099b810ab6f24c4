# Language level, warnings, sanitizers and linker: what every target of ours is built with.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# One kind of code for libraries and programs, so that all can share one precompiled header.
# gRPC asks for -pthread; only if all use it does the header fit.
add_compile_options(-fPIE -pthread)
# A target with the property RIVERA_STATIC is linked statically (-static-pie).
add_link_options($<IF:$<BOOL:$<TARGET_PROPERTY:RIVERA_STATIC>>,-static-pie,-pie> -pthread)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Several files of a wing are compiled as one, which more than halves the time of a clean build (rivera_unity).
# -DCMAKE_UNITY_BUILD=OFF compiles each by itself.
option(CMAKE_UNITY_BUILD "Compile several files of a folder as one" ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(RIVERA_SANITIZE "" CACHE STRING "Sanitizers to build with, as for -fsanitize= (empty: none)")

find_program(RIVERA_MOLD mold)
if(RIVERA_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(RIVERA_SANITIZE)
  add_compile_options(-fsanitize=${RIVERA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${RIVERA_SANITIZE})
  if(RIVERA_SANITIZE MATCHES "undefined")
    # A check at nearly every access, for what AddressSanitizer (null) or nothing on this processor (alignment) stops at:
    # they double the objects and cost a quarter of the build.
    add_compile_options(-fno-sanitize=null,alignment,vptr)
  endif()
  if(RIVERA_SANITIZE STREQUAL "thread")
    add_compile_options(-Wno-tsan)  # Asio uses atomic_thread_fence, of which g++ warns here
    # Protobuf's and Abseil's headers lay their types out differently where they see this; their libraries have not seen it.
    add_compile_options(-U__SANITIZE_THREAD__)
  endif()
endif()

# What makes a fault of memory end a program of the product instead of being exploited; tools/check-programs looks for it.
set(RIVERA_HARDENING_COMPILE "")
set(RIVERA_HARDENING_LINK "")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(RIVERA_HARDENING_COMPILE -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong)
  set(RIVERA_HARDENING_LINK -Wl,-z,relro,-z,now)
endif()
add_compile_options(${RIVERA_HARDENING_COMPILE})
add_link_options(${RIVERA_HARDENING_LINK})

# With clang, tests/fuzz becomes libFuzzer programs. The libraries that they run, and these alone, are compiled to see
# their own coverage and faults; all programs link AddressSanitizer, because they may link one of those.
option(RIVERA_FUZZ "Build coverage-guided fuzzers (clang only)" OFF)
set(RIVERA_FUZZED_OPTIONS -fsanitize=address,fuzzer-no-link -fno-omit-frame-pointer)
if(RIVERA_FUZZ)
  add_link_options(-fsanitize=address)
endif()

# Applied to our own code only, never to generated or third-party code.
add_library(rivera_warnings INTERFACE)
target_compile_options(rivera_warnings INTERFACE -Wall -Wextra -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Said of every coroutine with a lambda in it that comes from an included file, as all do in a unity build.
  target_compile_options(rivera_warnings INTERFACE -Wno-subobject-linkage)
else()
  # What clang sees and g++ does not, or has in -Wextra.
  target_compile_options(rivera_warnings INTERFACE -Wimplicit-fallthrough -Wnon-virtual-dtor
    -Wconditional-uninitialized -Wreserved-identifier -Wloop-analysis -Wheader-hygiene -Wunreachable-code-loop-increment)
endif()
# Warnings of g++ 12's optimizer that are wrong about std::string and coroutine frames (GCC bugs 105329, 105651, 101367).
# What they look for is found by the sanitizers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(rivera_warnings INTERFACE -Wno-array-bounds -Wno-restrict -Wno-mismatched-new-delete
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized)
endif()
