// The four built-in plugins, linked statically.
#pragma once

#include <synckit/abi.h>

extern "C" {
const sk_plugin* synckit_plugin_v1_lww(void);
const sk_plugin* synckit_plugin_v1_text(void);
const sk_plugin* synckit_plugin_v1_set(void);
const sk_plugin* synckit_plugin_v1_counter(void);
}
