#include "models/nouns/role.h"

#include <set>

#include <gtest/gtest.h>

namespace rivera::models {
namespace {

TEST(Roles, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Role role : all_roles()) names.insert(name_of(role));
  EXPECT_EQ(names.size(), all_roles().size());
  EXPECT_FALSE(names.contains(""));
}

TEST(Roles, AreFoundByTheirNames) {
  for (const Role role : all_roles()) EXPECT_EQ(roles_of({std::string(name_of(role))}), RoleSet{role});
  EXPECT_EQ(roles_of({"bbs", "locket"}), (RoleSet{Role::kBbs, Role::kLocket}));
}

TEST(Roles, OtherUnitsNameNone) {
  EXPECT_EQ(roles_of({}), RoleSet{});
  EXPECT_EQ(roles_of({"", "BBS", "bbs ", "client"}), RoleSet{});
  EXPECT_EQ(roles_of({"department", "rep"}), RoleSet{Role::kRep});
}

TEST(Roles, TheCertificateOfAnInstanceHasNone) {
  for (const std::string unit : {"app:1", "space:1", "organization:1"}) {
    EXPECT_EQ(roles_of({"bbs", unit}), RoleSet{}) << unit;
    EXPECT_EQ(roles_of({unit, "operator"}), RoleSet{}) << unit;
  }
}

TEST(RoleSets, HoldWhatTheyAreMadeOf) {
  constexpr RoleSet both{Role::kBbs, Role::kOperator};
  EXPECT_TRUE(both.has(Role::kBbs));
  EXPECT_TRUE(both.has(Role::kOperator));
  EXPECT_FALSE(both.has(Role::kRep));
  for (const Role role : all_roles()) EXPECT_TRUE(RoleSet::anyone().has(role));
}

}  // namespace
}  // namespace rivera::models
