// What a call is refused with. It is no check of its own: tests compare the message.
#pragma once

#include <string>

#include "base/error.h"

namespace pith::test {

// The message of the Error that `body` throws, or "no error".
template <typename Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace pith::test
