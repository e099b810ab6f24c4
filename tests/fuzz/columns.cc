#include <array>

#include "bbs/rows/column_codec.h"
#include "models/nouns/desired_lrp.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

using namespace bbs;

const ColumnCipher& cipher() {
  static const ColumnCipher the_one({{"k1", "a secure passphrase"}}, "k1");
  return the_one;
}

template <typename Message>
void message(std::string_view plain) {
  Message read;
  read_message_column(plain, read);
  Message again;
  must_accept("a column is read", [&] { read_message_column(message_column(read), again); });
}

void routes(std::string_view plain) {
  models::DesiredLRP lrp;
  *lrp.mutable_routes() = read_routes_column(plain);
  models::DesiredLRP again;
  *again.mutable_routes() = read_routes_column(routes_column(lrp));
  if (again.routes().routes_size() != lrp.routes().routes_size()) broken("routes keep their entries");
  models::internal_routes(lrp);
}

void desired_tags(std::string_view plain) {
  models::DesiredLRP lrp, again;
  read_desired_tags_column(plain, lrp);
  read_desired_tags_column(desired_tags_column(lrp), again);
  if (!models::metric_tags_equal(lrp.metric_tags(), again.metric_tags())) broken("tags are read as written");
}

void instance(std::string_view plain) {
  models::ActualLRP lrp, again;
  read_internal_routes_column(plain, lrp);
  read_internal_routes_column(internal_routes_column(lrp), again);
  if (lrp.actual_lrp_internal_routes_size() != again.actual_lrp_internal_routes_size()) broken("routes are kept");
}

void instance_tags(std::string_view plain) {
  models::ActualLRP lrp, again;
  read_instance_tags_column(plain, lrp);
  read_instance_tags_column(instance_tags_column(lrp), again);
  if (lrp.metric_tags_size() != again.metric_tags_size()) broken("tags are kept");
}

void placement_tags(std::string_view plain) {
  models::DesiredLRP lrp, again;
  read_placement_tags_column(plain, *lrp.mutable_placement_tags());
  read_placement_tags_column(placement_tags_column(lrp), *again.mutable_placement_tags());
  if (lrp.placement_tags_size() != again.placement_tags_size()) broken("tags are kept");
}

void sealed(std::string_view column) {
  const std::string plain = cipher().open(column);
  if (cipher().open(cipher().seal(plain)) != plain) broken("what is sealed opens");
}

constexpr std::array<Target, 9> kColumns = {
    sealed,
    message<models::DesiredLRPRunInfo>,
    message<models::TaskDefinition>,
    message<models::ActualLRPNetInfo>,
    routes,
    desired_tags,
    instance,
    instance_tags,
    placement_tags,
};

}  // namespace

void columns(std::string_view bytes) {
  if (bytes.empty()) return;
  try {
    kColumns[static_cast<unsigned char>(bytes.front()) % kColumns.size()](bytes.substr(1));
  } catch (const UndecodableColumn& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

}  // namespace rivera::fuzz
