#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace pith {
namespace {

constexpr int kBarWidth = 24;
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kFirstLine = std::chrono::seconds(2), kLine = std::chrono::seconds(5);

std::string amount(double value, ProgressUnit unit) {
  return unit == ProgressUnit::bytes ? fmt::format("{:.1f}", value / 1e6)
                                     : fmt::format("{:.0f}", value);
}

std::string duration(double seconds) {
  const auto s = static_cast<Index>(std::ceil(std::min(seconds, 359999.0)));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

int terminal_width(std::FILE* out) {
  winsize size{};
  const bool known = ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

std::string render_progress(const ProgressState& state, int width) {
  const bool bytes = state.unit == ProgressUnit::bytes;
  const double done = static_cast<double>(state.done), total = static_cast<double>(state.total);
  const double gained = static_cast<double>(state.done - state.before);
  const double speed = state.seconds > 0 ? gained / state.seconds : 0;
  std::string text;
  if (state.total > 0) {
    const double share = std::clamp(done / total, 0.0, 1.0);
    const auto filled = static_cast<std::size_t>(share * kBarWidth);
    text =
        fmt::format("  [{:<{}}] {:3.0f}%  {}/{}", std::string(filled, '#'), kBarWidth,
                    std::floor(share * 100), amount(done, state.unit), amount(total, state.unit));
  } else {
    text = "  " + amount(done, state.unit);
  }
  if (bytes) text += " MB";
  if (speed > 0) {
    text += !bytes && speed < 1
                ? fmt::format("  {:.1f} s each", 1 / speed)
                : fmt::format("  {}{}", amount(speed, state.unit), bytes ? " MB/s" : "/s");
    if (state.total > state.done)
      text += fmt::format("  {} left", duration((total - done) / speed));
  }
  // The numbers matter more than the whole of a long label.
  const std::size_t room = static_cast<std::size_t>(
      std::max(8, width - static_cast<int>(std::min<std::size_t>(text.size(), 1000))));
  std::string label(state.label);
  if (label.size() > room) label = label.substr(0, room - 3) + "...";
  return label + text;
}

ProgressBar::ProgressBar(ProgressUnit unit, std::FILE* out)
    : unit_(unit), out_(out), terminal_(::isatty(::fileno(out)) == 1) {}

ProgressBar::~ProgressBar() { end_step(); }

void ProgressBar::update(std::string_view label, Index done, Index total, std::string_view detail) {
  const auto now = Clock::now();
  if (label != label_) {
    end_step();
    label_ = label;
    detail_ = detail;
    before_ = done;
    start_ = drawn_ = now;
    drawn_once_ = false;
    if (terminal_) draw(done, total, now);
  }
  detail_ = detail;
  done_ = done;
  total_ = total;
  const Clock::duration pause = terminal_ ? kRedraw : drawn_once_ ? kLine : kFirstLine;
  if (now - drawn_ >= pause) draw(done, total, now);
}

void ProgressBar::draw(Index done, Index total, Clock::time_point now) {
  const std::string label = label_ + detail_;
  const ProgressState state{.label = label,
                            .done = done,
                            .total = total,
                            .before = before_,
                            .seconds = std::chrono::duration<double>(now - start_).count(),
                            .unit = unit_};
  const std::string line = render_progress(state, terminal_width(out_) - 1);
  // \x1b[K clears what a longer line left behind.
  std::fputs(terminal_ ? fmt::format("\r{}\x1b[K", line).c_str() : (line + "\n").c_str(), out_);
  std::fflush(out_);
  drawn_ = now;
  drawn_once_ = true;
  open_ = terminal_;
}

void ProgressBar::end_step() {
  if (!open_) return;
  draw(done_, total_, Clock::now());
  std::fputs("\n", out_);
  std::fflush(out_);
  open_ = false;
}

}  // namespace pith
