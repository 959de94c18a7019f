#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/golden.h"
#include "support/models.h"

namespace pith {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::string render(std::string_view source, const ChatOptions& options = {}) {
  return ChatTemplate::parse(source).render({{"user", "Hi"}}, options);
}

Error error_of(std::string_view source, const ChatOptions& options = {}) {
  try {
    const std::string text = render(source, options);
    ADD_FAILURE() << "no error, but: " << text;
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::io, "none");
}

std::string repeat(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

// Oracle: Python's jinja2, see tests/golden/make_jinja_cases.py.
TEST(ChatTemplateGolden, EveryCaseAgreesWithJinja2) {
  const auto lines = test::golden_lines("jinja.jsonl");
  ASSERT_GT(lines.size(), 60u);
  Json context = lines[0]["context"];
  ChatOptions options;
  options.add_generation_prompt = true;
  options.bos_token = context["bos_token"];
  options.tools_json = context["tools"].dump();
  const std::string messages = context["messages"].dump();
  for (const char* own : {"messages", "tools", "add_generation_prompt", "bos_token"})
    context.erase(own);
  options.variables_json = context.dump();
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::string source = lines[i]["template"];
    SCOPED_TRACE(source);
    if (lines[i].contains("error")) {
      EXPECT_THROW(ChatTemplate::parse(source).render_json(messages, options), Error);
      continue;
    }
    try {
      EXPECT_EQ(ChatTemplate::parse(source).render_json(messages, options),
                lines[i]["expected"].get<std::string>());
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(ChatTemplateGolden, EveryModelRendersAsTheTransformersLibraryDoes) {
  const Json cases = Json::parse(read_file(test::golden_path("chat-template.json")));
  int rendered = 0;
  for (const Json& line : cases.is_array() ? cases : cases["cases"]) {
    if (line["rendered"].is_null()) continue;
    const auto path = test::find_model(line["model"]);
    if (path.empty()) GTEST_SKIP() << "no model " << line["model"] << " here";
    const auto chat =
        ChatTemplate::parse(gguf::File::open(path).get_string("tokenizer.chat_template"));
    ChatOptions options;
    options.add_generation_prompt = line["add_generation_prompt"];
    EXPECT_EQ(chat.render_json(line["messages"].dump(), options),
              line["rendered"].get<std::string>());
    ++rendered;
  }
  EXPECT_EQ(rendered, 9);
}

TEST(ChatTemplate, MessagesAndOptionsAreVariables) {
  EXPECT_EQ(render("{{ bos_token }}{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor "
                   "%}{{ add_generation_prompt }}",
                   {.bos_token = "<s>"}),
            "<s>[user: Hi]True");
  EXPECT_EQ(render("{{ tools is none }}{{ bos_token is defined }}"), "TrueFalse");
  EXPECT_EQ(render("{{ enable_thinking }}", {.variables_json = R"({"enable_thinking": false})"}),
            "False");
}

TEST(ChatTemplate, TimeIsGivenByTheCaller) {
  EXPECT_EQ(render("{{ strftime_now('%Y') }}", {.unix_time = 1000000000}), "2001");
}

TEST(ChatTemplate, BracesInsideStringsAreText) {
  EXPECT_EQ(render("{{ '{{ {% {# }} %} #}' }}"), "{{ {% {# }} %} #}");
  EXPECT_EQ(render(R"({{ "\n{{\"name\": 1}}" }})"), "\n{{\"name\": 1}}");
}

TEST(ChatTemplate, GenerationMarksPrintTheirBody) {
  EXPECT_EQ(render("{% generation %}{{ 1 }}{% endgeneration %}"), "1");
}

TEST(ChatTemplate, SyntaxErrorsNameLineAndColumn) {
  const Error error = error_of("abc\nné {{ 1 + }}");
  EXPECT_EQ(error.code(), ErrorCode::bad_model);
  EXPECT_STREQ(error.what(),
               "chat template, line 2, column 11: an expression was expected, found '}}'");
}

TEST(ChatTemplate, UnknownPartsAreRefusedByName) {
  EXPECT_THAT(error_of("{{ 1 | urlize }}").what(),
              HasSubstr("pith does not know the filter 'urlize'; it knows abs, attr"));
  EXPECT_THAT(error_of("{{ 1 is escaped }}").what(), HasSubstr("the test 'escaped'"));
  EXPECT_THAT(error_of("{% include 'x' %}").what(),
              HasSubstr("line 1, column 4: pith does not know this block"));
}

TEST(ChatTemplate, RuntimeErrorsNameLineAndColumn) {
  const Error error = error_of("\n\n  {{ 1 + messages }}");
  EXPECT_EQ(error.code(), ErrorCode::bad_input);
  EXPECT_STREQ(
      error.what(),
      "chat template, line 3, column 8: unsupported operand type(s) for +: 'int' and 'list'");
}

TEST(ChatTemplate, RaiseExceptionGivesTheTemplatesMessage) {
  EXPECT_STREQ(error_of("{{ raise_exception('roles must alternate') }}").what(),
               "the chat template refuses: roles must alternate");
}

TEST(ChatTemplate, MessagesMustBeSound) {
  const auto chat = ChatTemplate::parse("{{ messages }}");
  EXPECT_THROW(chat.render_json("{}"), Error);
  EXPECT_THROW(chat.render_json("[1"), Error);
  EXPECT_THROW(chat.render({{"user", "\xff"}}), Error);
  EXPECT_THROW(chat.render_json(repeat("[", 10000) + repeat("]", 10000)), Error);
}

// Templates come with model files: none may crash, hang or take much memory.
TEST(ChatTemplateBounds, DeepNestingIsRefused) {
  for (const auto& [open, close] : {std::pair{"(", ")"},
                                    {"[", "]"},
                                    {"{1:", "}"},
                                    {"-", ""},
                                    {"not ", ""},
                                    {"f(", ")"},
                                    {"x[", "]"}}) {
    const std::string source = "{{ " + repeat(open, 10000) + "1" + repeat(close, 10000) + " }}";
    EXPECT_EQ(error_of(source).code(), ErrorCode::bad_model) << open;
  }
  EXPECT_EQ(error_of(repeat("{% if x %}", 10000)).code(), ErrorCode::bad_model);
  EXPECT_EQ(error_of("{{ 1" + repeat(" + 1", 10000) + " }}").code(), ErrorCode::bad_model);
  EXPECT_EQ(error_of("{{ x" + repeat(".a", 10000) + " }}").code(), ErrorCode::bad_model);
  EXPECT_EQ(error_of("{{ x" + repeat("|abs", 10000) + " }}").code(), ErrorCode::bad_model);
  EXPECT_EQ(error_of("{{ 1" + repeat(" if 1 else 1", 10000) + " }}").code(), ErrorCode::bad_model);
}

TEST(ChatTemplateBounds, LongChainsWithinReasonWork) {
  EXPECT_EQ(render("{{ 1" + repeat(" + 1", 300) + " }}"), "301");
  EXPECT_EQ(render("{{ 1" + repeat(" ~ 1", 1000) + " }}"), repeat("1", 1001));
}

TEST(ChatTemplateBounds, RunawayTemplatesAreStopped) {
  const std::string ten = "range(100000)";
  EXPECT_THAT(
      error_of("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}")
          .what(),
      HasSubstr("1000000 times"));
  EXPECT_THAT(error_of("{{ range(100001) }}").what(), HasSubstr("Range too big"));
  EXPECT_THAT(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").what(),
              HasSubstr("deeper than 600 levels"));
  EXPECT_THAT(error_of("{{ 'a' * 1000000000000 }}").what(), HasSubstr("bytes of values"));
  EXPECT_THAT(error_of("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x "
                       "= ns.x ~ ns.x %}{% endfor %}")
                  .what(),
              HasSubstr("bytes of values"));
  EXPECT_THAT(error_of("{% set ns = namespace(x=[1]) %}{% for i in range(50) %}{% set ns.x = "
                       "[ns.x, ns.x] %}{% endfor %}{{ ns.x }}")
                  .what(),
              HasSubstr("bytes of values"));
  EXPECT_THAT(error_of("{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{{ a.replace('b', a) "
                       "== a }}{% endfor %}")
                  .what(),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{% set a = 'a' * 1000000 %}{{ a.replace('a', a) }}").what(),
              HasSubstr("bytes of values"));
  EXPECT_THAT(error_of("{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = "
                       "[ns.x] %}{% endfor %}")
                  .what(),
              HasSubstr("nests too deeply"));
}

TEST(ChatTemplateBounds, CyclesAndLongChainsAreTakenApart) {
  EXPECT_EQ(render("{% set a = namespace() %}{% set a.me = [a] %}{{ a.me[0].me[0] is defined }}"),
            "True");
  EXPECT_EQ(render("{% set n = namespace(x=0) %}{% for i in range(90000) %}{% set n.x = "
                   "namespace(x=n.x) %}{% endfor %}ok"),
            "ok");
  EXPECT_EQ(render("{% set n = namespace(f=0) %}{% for i in range(90000) %}{% set old = n.f %}{% "
                   "macro m() %}{{ old }}{% endmacro %}"
                   "{% set n.f = m %}{% endfor %}ok"),
            "ok");
}

TEST(ChatTemplateBounds, ALongConversationIsFine) {
  std::vector<Message> messages(2000, {"user", std::string(5000, 'x')});
  const std::string text = ChatTemplate::parse(
                               "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + "
                               "m.content | trim + '<|im_end|>\n' }}{% endfor %}")
                               .render(messages);
  EXPECT_EQ(text.size(), 2000u * (5000 + 28));
}

}  // namespace
}  // namespace pith
