// PITH_API marks what libpith.so shows, PITH_HIDDEN what it hides of that. A caller writes neither.
#pragma once

#define PITH_API __attribute__((visibility("default")))
#define PITH_HIDDEN __attribute__((visibility("hidden")))
