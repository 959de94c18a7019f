// `pith calibrate --what encoder`: trains an encoder for virtual tokens on generated documents and
// on a folder of text, and says what it does on texts that it has not seen.
#pragma once

#include <string>

#include "cli/options.h"
#include "engine/learned/encoder_training.h"

namespace pith::cli {

struct EncoderCalibration {
  ModelOptions model;
  std::string out;        // the encoder's file; beside it, while it is trained, OUT.training
  std::string texts;      // a folder whose files are read, too; or empty
  Index documents = 240;  // generated
  Index tokens = 1000;    // of a document, or of a piece of a file
  bool json = false;
  EncoderTraining training;
};
void calibrate_encoder(const EncoderCalibration& command);

}  // namespace pith::cli
