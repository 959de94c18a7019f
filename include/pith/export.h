// PITH_API marks what libpith.so shows. It is nothing that a caller needs to write.
#pragma once

#define PITH_API __attribute__((visibility("default")))
