// A file that grows by whole lines, each in one write, so that a killed run leaves at most one torn
// line at its end. What the lines say is the business of predictions.h and documents.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::eval {

// Calls `each` for every whole line of a file, a torn last one left out. An Error thrown by it is
// thrown on with the file's name and the line's number, as bad_file.
void for_each_whole_line(const std::filesystem::path& path,
                         const std::function<void(std::string_view line)>& each);

// The .jsonl files of a folder whose names begin with `prefix`, and those of its subfolder
// `pieces`, sorted: a run's, those of its shards and of single work items.
std::vector<std::filesystem::path> line_files(const std::filesystem::path& folder,
                                              std::string_view prefix, std::string_view pieces);

class LineFile {
 public:
  // Makes the folder, cuts off a torn last line, and keeps other processes from writing the same
  // file; io if one does.
  explicit LineFile(const std::filesystem::path& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void add(std::string_view line);  // without its end; on the disk's way when this returns

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace pith::eval
