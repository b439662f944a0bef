# One place for what every target of the project is compiled with.
add_library(alos_options INTERFACE)
target_compile_options(alos_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wundef -Wcast-qual -Wformat=2 -Wvla -Wimplicit-fallthrough
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi>
  -fno-omit-frame-pointer -fstack-protector-strong -fcf-protection)
target_compile_definitions(alos_options INTERFACE _GNU_SOURCE)
target_include_directories(alos_options INTERFACE ${PROJECT_SOURCE_DIR})
# g++ 12 reports std::string's own operator+ at -O3 and under sanitizers (GCC bug 105329).
target_compile_options(alos_options INTERFACE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-restrict>)
target_link_options(alos_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(NOT ALOS_SANITIZE STREQUAL "")
  # vptr finds out by a pipe whether memory can be read (IsAccessibleMemoryRange), and takes every object for a wrong one
  # where no descriptor is left.
  target_compile_options(alos_options INTERFACE -fsanitize=${ALOS_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all)
  target_link_options(alos_options INTERFACE -fsanitize=${ALOS_SANITIZE})
  if(ALOS_SANITIZE MATCHES address)
    target_compile_definitions(alos_options INTERFACE ALOS_ADDRESS_SANITIZER)  # compilers have no common word for it
  endif()
  target_compile_options(alos_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(alos_options INTERFACE -D_FORTIFY_SOURCE=2)
endif()
if(ALOS_FUZZ)
  target_compile_options(alos_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
# clang reads libstdc++ 12's own std::stable_sort as a use of std::get_temporary_buffer, deprecated since C++17.
target_compile_options(alos_options INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
