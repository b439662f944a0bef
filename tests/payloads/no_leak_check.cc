// Under the address sanitizer: its leak checker traces the process, which no box lets anything do.
#ifdef ALOS_ADDRESS_SANITIZER
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0";
}
#endif
