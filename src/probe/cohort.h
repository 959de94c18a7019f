// A cohort: the same recipes examined on many documents, and what that shows only together: mean
// curves, whether GER goes with invented answers, and what a probing classifier still reads. Pure;
// it runs nothing.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "probe/facts.h"
#include "probe/linear_probe.h"

namespace pith::probe {

// Answers to questions that share a tag, such as answer_type=Person.
struct TagShare {
  Index judged = 0;
  double right = 0, hallucinated = 0;
};

// One recipe at one ratio, over all documents. Means are over questions, those of survival over
// examinations: one of each document, or of each of its questions where they were read with it.
struct Cell {
  Index request = -1;  // of ExamineOptions::arms; -1: the full cache
  double ratio = 0;    // nan without a grid
  Index documents = 0, examinations = 0, stated = 0, judged = 0;
  double removed = 0, eviction = 0, ger_proxy = 0, jaccard = 0;
  Index spread = 0;   // examinations in which lanes differ at all
  double routes = 0;  // effective number, over those
  double ger = 0, ger_layers = 0, all_gone = 0;
  double right = 0, hallucinated = 0, abstained = 0;
  std::map<Outcome, Index> outcomes;  // of judged answers
  Fidelity answers, replay;
  double head_diversity = 0, agreement = 0;  // without sinks, means over layers
  std::vector<double> diversity_by_layer;    // [L] the former
  std::map<std::string, TagShare> tags;
  bool probed = false;
  ProbeScore probe;  // macro-F1 of the questions' labels from their pooled hidden states
};

// Pearson's r of two lists; nan for fewer than three points or no variance.
double pearson(std::span<const double> a, std::span<const double> b);

// Pearson's r between GER and invented answers over the ratios of a series, with its 95 %
// percentile interval over resampled documents; nan where too little varies.
struct Correlation {
  double r = 0, low = 0, high = 0;
  Index documents = 0;
};

class Cohort {
 public:
  // Questions are classed by `tag`, those that lack it not at all.
  explicit Cohort(std::string tag = "") : tag_(std::move(tag)) {}
  void add(const Facts& facts);  // of one document; several of the same name are one
  // `labels` names the class of every question of the report instead, or is empty.
  void add(const Report& report, std::span<const std::string> labels);
  // By request, the full cache first. Trains the classifiers.
  std::vector<Cell> finish();
  // The same classifier on the questions alone, if they were read without their texts: what their
  // wording gives away.
  std::optional<ProbeScore> without_text() const;
  Correlation ger_and_invented(std::span<const Index> requests, std::uint64_t seed = 1) const;

 private:
  // Sums over the questions of one document.
  struct Sums {
    double ger = 0, invented = 0;
    Index stated = 0, judged = 0;
  };
  struct Entry {
    Cell cell;
    Samples samples;
    std::map<Index, Sums> documents;
  };
  std::string tag_;
  std::map<std::string, Index> names_;  // of documents
  std::map<Index, Entry> entries_;      // by request
  std::map<std::string, Index> classes_;
  Samples alone_;
};

}  // namespace pith::probe
