// How a user interface applies the patches of the built-in types to the view it shows. Each throws
// for a patch that does not fit the view.
#pragma once

#include <string>

namespace synckit::laws {

std::string apply_map_patch(const std::string& view, const std::string& patch);
std::string apply_set_patch(const std::string& view, const std::string& patch);
std::string apply_counter_patch(const std::string& view, const std::string& patch);
std::string apply_text_patch(const std::string& view, const std::string& patch);

}  // namespace synckit::laws
