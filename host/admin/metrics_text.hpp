// The counters of base/metrics.hpp in Prometheus' text format. Threads: any.
#pragma once

#include <string>

#include "base/metrics.hpp"

namespace synckit {

std::string metrics_text(const Metrics& metrics);

}  // namespace synckit
