// Does nothing: that it can be linked is the test (CMakeLists.txt).
int main() { return 0; }
