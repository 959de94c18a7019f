#include "hub/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/hub_fixture.h"
#include "support/local_server.h"

namespace pith::hub {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(HubTest, AFileIsPulledOnceAndThenFound) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/files/m.gguf"))});
  Index last = 0;
  const Pulled pulled = hub.pull("some-model", [&](std::string_view, Index done, Index total) {
    EXPECT_EQ(total, 300'000);
    last = done;
  });
  EXPECT_EQ(last, 300'000);
  EXPECT_EQ(read_file(pulled.path), content);
  EXPECT_EQ(hub.resolve("some-model"), pulled.path);
  EXPECT_TRUE(hub.pull("some-model").was_there);
  EXPECT_EQ(requests(), "/files/m.gguf -\n");
  EXPECT_THAT(left_over(), ElementsAre("some-model.gguf"));
}

TEST_F(HubTest, AnInterruptedPullGoesOnWhereItStopped) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/files/m.gguf"))});
  const auto interrupt = [](std::string_view, Index done, Index) {
    if (done > 100'000) throw std::runtime_error("interrupted");
  };
  EXPECT_THROW(hub.pull("some-model", interrupt), std::runtime_error);
  const auto kept = fs::file_size(models / "some-model.gguf.part");
  EXPECT_GT(kept, 100'000u);
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
  EXPECT_EQ(requests(), fmt::format("/files/m.gguf -\n/files/m.gguf bytes={}-\n", kept));
  EXPECT_THAT(left_over(), ElementsAre("some-model.gguf"));
}

TEST_F(HubTest, ACutConnectionIsResumedByItself) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/cut/100000/m.gguf"))});
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
  EXPECT_THAT(requests(), HasSubstr("bytes=200000-"));
}

TEST_F(HubTest, AServerWithoutRangesIsAskedForAllOfIt) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/plain/m.gguf"))});
  const auto interrupt = [](std::string_view, Index, Index) { throw std::runtime_error("stop"); };
  EXPECT_THROW(hub.pull("some-model", interrupt), std::runtime_error);
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
}

TEST_F(HubTest, AFileThatChangedMeanwhileIsLoadedAnew) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({});
  const auto interrupt = [](std::string_view, Index, Index) { throw std::runtime_error("stop"); };
  const std::string url = server.url("/files/m.gguf");
  EXPECT_THROW(hub.pull(url, interrupt), std::runtime_error);
  const std::string changed = "GGUF" + std::string(200'000, 'x');
  write_file(served / "m.gguf", changed);
  EXPECT_EQ(read_file(hub.pull(url).path), changed);
}

TEST_F(HubTest, ABusyServerIsAskedAgainButNotForEver) {
  const test::LocalServer server(served, log);
  EXPECT_EQ(
      read_file(hub_of({parse_source(server.url("/flaky/3/m.gguf"))}).pull("some-model").path),
      content);
  fs::remove(models / "some-model.gguf");
  const Hub hub = hub_of({parse_source(server.url("/flaky/99/m.gguf"))});
  EXPECT_THAT(message_of([&] { hub.pull("some-model"); }, ErrorCode::io),
              HasSubstr("the server answers 503 (after 5 attempts)"));
}

TEST_F(HubTest, RedirectsAreFollowed) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/redirect/m.gguf"))});
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
}

TEST_F(HubTest, AWrongChecksumRemovesTheFileAndSaysBoth) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/files/m.gguf"))});
  const std::string expected = hub.models()[0].sha256;
  content.back() ^= 1;
  write_file(served / "m.gguf", content);
  EXPECT_THAT(message_of([&] { hub.pull("some-model"); }, ErrorCode::bad_file),
              AllOf(HasSubstr("sha256 " + expected + " was expected, "),
                    HasSubstr(sha256_of(served / "m.gguf") + " came; the file was removed")));
  EXPECT_TRUE(left_over().empty());
}

TEST_F(HubTest, PagesAndRefusalsAreNoModels) {
  const test::LocalServer server(served, log);
  const auto message = [&](const std::string& path, ErrorCode code) {
    const Hub hub = hub_of({parse_source(server.url(path))});
    return message_of([&] { hub.pull("some-model"); }, code);
  };
  EXPECT_THAT(message("/files/absent.gguf", ErrorCode::not_found),
              HasSubstr("/files/absent.gguf: there is no such file (the server answers 404)"));
  EXPECT_THAT(message("/page/m.gguf", ErrorCode::bad_file), HasSubstr("this is a web page"));
  EXPECT_THAT(message("/denied/m.gguf", ErrorCode::io), HasSubstr("refuses access (403)"));
  EXPECT_FALSE(fs::exists(models / "some-model.gguf"));
}

TEST_F(HubTest, AFileOfAnotherSizeIsRefusedBeforeItIsLoaded) {
  const test::LocalServer server(served, log);
  const Hub hub = hub_of({parse_source(server.url("/files/m.gguf"))});
  write_file(served / "m.gguf", content + "more");
  EXPECT_THAT(message_of([&] { hub.pull("some-model"); }, ErrorCode::bad_file),
              HasSubstr("the server has 300004 bytes, 300000 were expected"));
}

TEST_F(HubTest, TheSecondSourceHelpsWhereTheFirstFails) {
  const test::LocalServer server(served, log);
  const Hub good = hub_of(
      {parse_source(server.url("/files/absent.gguf")), parse_source(server.url("/files/m.gguf"))});
  EXPECT_EQ(read_file(good.pull("some-model").path), content);
  fs::remove(models / "some-model.gguf");
  const Hub bad = hub_of({parse_source(server.url("/files/absent.gguf")),
                          parse_source((served / "nothing.gguf").string())});
  EXPECT_THAT(message_of([&] { bad.pull("some-model"); }, ErrorCode::not_found),
              AllOf(HasSubstr("cannot pull some-model: (1) http://127.0.0.1"), HasSubstr(" (2) ")));
}

TEST_F(HubTest, AnUnreachableServerIsNamed) {
  const Hub hub = hub_of({parse_source("http://127.0.0.1:1/m.gguf")});
  EXPECT_THAT(message_of([&] { hub.pull("some-model"); }, ErrorCode::io),
              HasSubstr("http://127.0.0.1:1/m.gguf: "));
}

TEST_F(HubTest, AddressesArePulledUnderTheirFileName) {
  const test::LocalServer server(served, log);
  Settings settings;
  settings.folder = models;
  settings.hf_endpoint = server.url("");
  const Hub hub(settings);
  const Pulled pulled = hub.pull("hf:owner/repo/m.gguf");
  EXPECT_EQ(pulled.sha256, sha256_of(served / "m.gguf"));
  EXPECT_EQ(pulled.path, models / "m.gguf");
  EXPECT_EQ(requests(), "/owner/repo/resolve/main/m.gguf -\n");
  EXPECT_TRUE(hub.pull("hf:owner/repo/m.gguf").was_there);
  EXPECT_EQ(hub.resolve("hf:owner/repo/m.gguf"), pulled.path);
  EXPECT_EQ(hub.resolve("m"), pulled.path);
  EXPECT_THAT(message_of([&] { hub.pull("hf:owner/other/m.gguf"); }, ErrorCode::bad_input),
              HasSubstr("is already there and does not come from hf:owner/other/m.gguf"));
  EXPECT_THAT(message_of([&] { hub.resolve("hf:owner/other/m.gguf"); }, ErrorCode::not_found),
              HasSubstr("`pith pull hf:owner/other/m.gguf`"));
}

TEST_F(HubTest, AnAddressMustLeadToAGgufFile) {
  const test::LocalServer server(served, log);
  write_file(served / "other.gguf", "PK some archive");
  const Hub hub = hub_of({});
  EXPECT_THAT(message_of([&] { hub.pull(server.url("/files/other.gguf")); }, ErrorCode::bad_file),
              HasSubstr("is not a GGUF file"));
  EXPECT_THAT(message_of([&] { hub.pull("https://example.org/model.bin"); }, ErrorCode::bad_input),
              HasSubstr("must be a name that ends in .gguf"));
  EXPECT_THAT(message_of([&] { hub.pull("hf:model.gguf"); }, ErrorCode::bad_input),
              HasSubstr("hf:owner/repo/file.gguf was expected"));
}

TEST_F(HubTest, AnUnknownNameGetsTheNearestOnes) {
  Settings settings = Settings::from_environment();
  settings.folder = models;
  const Hub hub(settings);
  const auto message = [&](const char* name) {
    return message_of([&] { hub.resolve(name); }, ErrorCode::not_found);
  };
  EXPECT_THAT(message("qwen2.5-coder-0.5b"),
              HasSubstr("did you mean: qwen2.5-coder-0.5b-instruct"));
  EXPECT_THAT(message("xyz"), HasSubstr("known are: smollm2-135m-instruct, qwen2.5-coder-0.5b"));
  EXPECT_THAT(message("folder/model.gguf"), HasSubstr("there is no file folder/model.gguf"));
  EXPECT_EQ(message("gemma3-270m"),
            "model 'gemma3-270m' is not on this machine yet; get it with `pith pull gemma3-270m` "
            "(253 MB, Gemma Terms of Use)");
  EXPECT_THAT(message_of([&] { hub.pull("gemma3-27m"); }, ErrorCode::not_found),
              HasSubstr("did you mean: gemma3-270m"));
  EXPECT_EQ(hub.resolve((served / "m.gguf").string()), served / "m.gguf");
}

TEST_F(HubTest, TwoPullsOfOneModelDoNotMeet) {
  const Hub hub = hub_of({parse_source((served / "m.gguf").string())});
  std::string message;
  hub.pull("some-model", [&](std::string_view, Index, Index) {
    message = message_of([&] { hub.pull("some-model"); }, ErrorCode::io);
  });
  EXPECT_EQ(message, "another process is already pulling some-model.gguf; wait until it is done");
}

TEST_F(HubTest, AFullDiskIsNoticedBeforeTheDownload) {
  Settings settings;
  settings.folder = models;
  settings.models = {model_of({parse_source("http://127.0.0.1:1/m.gguf")})};
  settings.models[0].bytes = Index{1} << 60;
  const Hub hub(settings);
  EXPECT_THAT(message_of([&] { hub.pull("some-model"); }, ErrorCode::io),
              AllOf(HasSubstr("not enough disk space in"), HasSubstr("PITH_MODELS")));
}

TEST(Models, TheTableThatIsCompiledInIsSound) {
  const Hub hub(Settings::from_environment());
  EXPECT_EQ(hub.models().size(), 4u);
  EXPECT_EQ(hub.default_for("demo")->name, "qwen2.5-coder-0.5b-instruct");
  EXPECT_EQ(hub.default_for("results")->sources[0].packages.size(), 22u);
  EXPECT_EQ(hub.default_for("flying"), nullptr);
}

TEST(Models, ATableAtFaultIsNamed) {
  const auto message = [](std::string_view json) {
    return message_of([&] { parse_models(json, "table.json"); }, ErrorCode::bad_input);
  };
  EXPECT_EQ(message("{\"a\": }"), "table.json: not valid JSON near byte 7");
  EXPECT_THAT(message(R"({"../a": {}})"), HasSubstr("model '../a': the name may hold only"));
  EXPECT_THAT(message(R"({"a": {"sise": 1}})"), HasSubstr("unknown key 'sise'"));
  EXPECT_THAT(message(R"({"a": {"description": "", "licence": "", "sha256": "12"}})"),
              HasSubstr("'sha256' must be 64"));
}

TEST(Models, TheEnvironmentDecidesTheFolder) {
  ::setenv("PITH_MODELS", "/some/folder", 1);
  EXPECT_EQ(Settings::from_environment().folder, "/some/folder");
  ::unsetenv("PITH_MODELS");
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(Settings::from_environment().folder, "/cache/pith/models");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("PITH_MODELS_JSON", "/absent.json", 1);
  EXPECT_THROW(Settings::from_environment(), Error);
  ::unsetenv("PITH_MODELS_JSON");
}

TEST(Checksum, IsSha256) {
  const auto path = fs::temp_directory_path() / fmt::format("pith_checksum_{}", ::getpid());
  write_file(path, "abc");
  EXPECT_EQ(sha256_of(path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  fs::remove(path);
}

}  // namespace
}  // namespace pith::hub
