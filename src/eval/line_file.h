// A file that grows by whole lines, each in one write, so that a killed run leaves at most one torn
// line at its end. What the lines say is the business of predictions.h and documents.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "base/types.h"

namespace pith::eval {

// Calls `each` for every whole line of a file, a torn last one left out. An Error thrown by it is
// thrown on with the file's name and the line's number, as bad_file.
void for_each_whole_line(const std::filesystem::path& path,
                         const std::function<void(std::string_view line)>& each);

class LineFile {
 public:
  explicit LineFile(const std::filesystem::path& path);  // cuts off a torn last line
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void add(std::string_view line);  // without its end; on the disk's way when this returns

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace pith::eval
