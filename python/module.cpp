#include "bindings.h"

#include "pith/pith.h"

namespace pithkv {
namespace {

PyObject* error_type = nullptr;

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    nb::object value = nb::handle(error_type)(nb::str(error.what()));
    value.attr("code") = to_string(error.code());
    PyErr_SetObject(error_type, value.ptr());
  }
}

}  // namespace
}  // namespace pithkv

NB_MODULE(_core, m) {
  using namespace pithkv;
  m.doc() = "The compiled part of pithkv; import pithkv instead.";
  error_type = PyErr_NewExceptionWithDoc(
      "pithkv.Error",
      "Bad input, a damaged file, an impossible recipe: the message says what, where, what was "
      "expected and what to do; `code` is one of bad_file, bad_model, bad_recipe, bad_budget, "
      "bad_input, not_found, io, unsupported, cancelled.",
      PyExc_RuntimeError, nullptr);
  m.attr("Error") = nb::borrow(error_type);
  nb::register_exception_translator(translate);
  m.attr("__version__") = version();
  bind_contexts(m);
  bind_conversations(m);
  bind_sweeps(m);
}
