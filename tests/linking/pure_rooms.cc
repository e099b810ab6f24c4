// Does nothing: that it can be linked is the test (CMakeLists.txt).
#include <boost/asio/error.hpp>

// Every file that sees Asio's header of error codes, as all do through the precompiled one, refers to these values.
// Nothing else of Asio is there.
namespace boost::asio::error {

const system::error_category& get_netdb_category() { return system::generic_category(); }
const system::error_category& get_addrinfo_category() { return system::generic_category(); }
const system::error_category& get_misc_category() { return system::generic_category(); }

}  // namespace boost::asio::error

int main() { return 0; }
