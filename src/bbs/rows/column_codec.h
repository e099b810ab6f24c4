// The content of upstream's columns before encryption (docs/spec/bbs.md §6.2). Decoders throw UndecodableColumn.
#pragma once

#include <string>
#include <string_view>

#include "bbs/rows/column_cipher.h"
#include "models/models.h"

namespace rivera::bbs {

// Two bytes of version, then the message.
std::string message_column(const google::protobuf::Message& message);
void read_message_column(std::string_view plain, google::protobuf::Message& into);

// A JSON object of raw route entries; absent routes are "null".
std::string routes_column(const models::DesiredLRP& lrp);
models::ProtoRoutes read_routes_column(std::string_view plain);

std::string desired_tags_column(const models::DesiredLRP& lrp);
void read_desired_tags_column(std::string_view plain, models::DesiredLRP& into);

// A RUNNING instance without any has "null", as after a Start that gave none.
std::string internal_routes_column(const models::ActualLRP& lrp);
void read_internal_routes_column(std::string_view plain, models::ActualLRP& into);
std::string instance_tags_column(const models::ActualLRP& lrp);
void read_instance_tags_column(std::string_view plain, models::ActualLRP& into);

std::string placement_tags_column(const models::DesiredLRP& lrp);
void read_placement_tags_column(std::string_view plain, google::protobuf::RepeatedPtrField<std::string>& into);

}  // namespace rivera::bbs
