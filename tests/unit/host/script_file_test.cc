#include "supervisor/host/script_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

// The file of `alos run --script`: what is taken, and that everything else is refused with its place and what may stand
// there.
namespace alos::host {
namespace {

using broker::ScriptLine;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

class ScriptFile : public testing::Test {
 protected:
  ScriptFile() {
    char name[] = "/tmp/alos-script-XXXXXX";
    directory = ::mkdtemp(name);
  }
  ~ScriptFile() override { std::filesystem::remove_all(directory); }

  Result<std::vector<ScriptLine>> read(const std::string& text) {
    path = directory + "/s.json";
    std::ofstream(path, std::ios::binary) << text;
    return read_script(path, {{"workspace", {policy::VariableType::dir, "/srv/a*b"}}});
  }
  std::string directory, path;
};

TEST_F(ScriptFile, lines_of_commands_and_of_files) {
  const auto lines = read(R"([
    {"call": "shell.run", "argv": ["git", "push", "**"], "code": 1, "out": "o", "err": "rejected\n", "takes": "1m3s", "times": 2},
    {"call": "shell.run", "argv": ["make"], "signal": 9},
    {"call": "shell.run", "argv": ["/usr/bin/kube*"], "fails": "EAGAIN"},
    {"call": "fs.write", "path": "/srv/out/**", "fails": "ENOSPC", "times": 1},
    {"call": "fs.read", "path": "$workspace/x", "fails": "EWOULDBLOCK"}])");
  ASSERT_TRUE(lines) << lines.error().text();
  ASSERT_THAT(*lines, SizeIs(5));
  const ScriptLine& push = (*lines)[0];
  EXPECT_EQ(push.call, "shell.run");
  EXPECT_THAT(push.argv, SizeIs(2));
  EXPECT_TRUE(push.any_rest);
  EXPECT_EQ(push.status, 1 << 8);
  EXPECT_EQ(push.out, "o");
  EXPECT_EQ(push.err, "rejected\n");
  EXPECT_EQ(push.takes_ms, 63'000U);
  EXPECT_EQ(push.times, 2U);
  EXPECT_EQ((*lines)[1].status, 9);
  EXPECT_FALSE((*lines)[1].any_rest);
  EXPECT_EQ((*lines)[1].times, 0U);
  EXPECT_EQ((*lines)[2].fails, EAGAIN);
  EXPECT_TRUE((*lines)[3].path->matches("/srv/out/a"));
  EXPECT_EQ((*lines)[3].fails, ENOSPC);
  EXPECT_TRUE((*lines)[4].path->matches("/srv/a*b/x")) << "a value is literal";
  EXPECT_FALSE((*lines)[4].path->matches("/srv/acb/x"));
  EXPECT_EQ((*lines)[4].fails, EAGAIN);
  EXPECT_THAT(read("[]").value(), SizeIs(0));
  EXPECT_THAT(read(R"([{"call": "shell.run", "argv": ["**"], "code": 255}])").value()[0].argv, SizeIs(0));
}

TEST_F(ScriptFile, what_is_wrong_is_refused_with_its_place_and_what_may_stand_there) {
  const struct {
    const char *text, *where, *hint;
  } kRows[] = {
      {"", "s.json", "no JSON"},
      {"[\n{,", "s.json", "line 2"},
      {"{}", "s.json", "list of lines"},
      {R"([["x"]])", "s.json[0]", "object"},
      {R"([[[[[]]]]])", "s.json", "deeper"},
      {R"([{"call": "shell.run", "argv": [["x"]], "code": 0}])", "s.json", "deeper"},
      {"[{\"call\": \"shell.run\", \"argv\": [\"\xff\"], \"code\": 0}]", "s.json", "no JSON"},
      {R"([{}])", "s.json[0].call", "missing"},
      {R"([{"call": 7}])", "s.json[0].call", "in quotes"},
      {R"([{"call": "shel.run", "argv": ["x"], "code": 0}])", "s.json[0].call", "did you mean 'shell.run'?"},
      {R"([{"call": "clock.sleep"}])", "s.json[0].call", "--clock virtual"},
      {R"([{"call": "fs.*", "path": "/x", "fails": "EIO"}])", "s.json[0].call", "fs.write"},
      // keys
      {R"([{"call": "shell.run", "argv": ["x"], "cod": 0}])", "s.json[0].cod", "did you mean 'code'?"},
      {R"([{"call": "shell.run", "path": "/x", "code": 0}])", "s.json[0].path", "argv"},
      {R"([{"call": "fs.write", "path": "/x", "fails": "EIO", "takes": "1s"}])", "s.json[0].takes", "of fs.write"},
      {R"([{"call": "fs.write", "path": "/x", "code": 1}])", "s.json[0].code", "path, fails or times"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0}, {"call": "shell.run", "code": 1, "argv": ["y"], "code": 2}])",
       "s.json[1].code", "twice"},
      // argv
      {R"([{"call": "shell.run", "code": 0}])", "s.json[0].argv", "missing"},
      {R"([{"call": "shell.run", "argv": "git push", "code": 0}])", "s.json[0].argv", "each word"},
      {R"([{"call": "shell.run", "argv": [], "code": 0}])", "s.json[0].argv", "each word"},
      {R"([{"call": "shell.run", "argv": ["x", 1], "code": 0}])", "s.json[0].argv[1]", "text"},
      {R"([{"call": "shell.run", "argv": ["x", "**", "y"], "code": 0}])", "s.json[0].argv[1]", "last"},
      {R"([{"call": "shell.run", "argv": ["x", "[a"], "code": 0}])", "s.json[0].argv[1]", "close it"},
      {R"([{"call": "shell.run", "argv": ["x", "a\u0000"], "code": 0}])", "s.json[0].argv[1]", "NUL"},
      {R"([{"call": "shell.run", "argv": [""], "code": 0}])", "s.json[0].argv[0]", "name"},
      {R"([{"call": "shell.run", "argv": ["./deploy"], "code": 0}])", "s.json[0].argv[0]", "from '/' on"},
      {R"([{"call": "shell.run", "argv": ["bin/depl*"], "code": 0}])", "s.json[0].argv[0]", "from '/' on"},
      {R"([{"call": "shell.run", "argv": ["/usr/../bin/x"], "code": 0}])", "s.json[0].argv[0]", "'..'"},
      {R"([{"call": "shell.run", "argv": ["/usr/bin/"], "code": 0}])", "s.json[0].argv[0]", "path"},
      // path
      {R"([{"call": "fs.write", "fails": "EIO"}])", "s.json[0].path", "missing"},
      {R"([{"call": "fs.write", "path": ["/x"], "fails": "EIO"}])", "s.json[0].path", "in quotes"},
      {R"([{"call": "fs.write", "path": "out/**", "fails": "EIO"}])", "s.json[0].path", "out/**: "},
      {R"([{"call": "fs.write", "path": "/x/?", "fails": "EIO"}])", "s.json[0].path", "/x/?: "},
      {R"([{"call": "fs.write", "path": "$worspace/x", "fails": "EIO"}])", "s.json[0].path",
       "did you mean 'workspace'?"},
      // how it ends
      {R"([{"call": "shell.run", "argv": ["x"]}])", "s.json[0].code", "code, signal or fails"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 1, "signal": 9}])", "s.json[0].signal", "'code' says already"},
      {R"([{"call": "shell.run", "argv": ["x"], "fails": "EIO", "code": 1}])", "s.json[0].fails", "one of them"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 256}])", "s.json[0].code", "0 to 255"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": -1}])", "s.json[0].code", "0 to 255"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 1.0}])", "s.json[0].code", "whole number"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": true}])", "s.json[0].code", "whole number"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": "1"}])", "s.json[0].code", "whole number"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 18446744073709551615}])", "s.json[0].code", "0 to 255"},
      {R"([{"call": "shell.run", "argv": ["x"], "signal": 0}])", "s.json[0].signal", "1 to 64"},
      {R"([{"call": "shell.run", "argv": ["x"], "signal": 65}])", "s.json[0].signal", "1 to 64"},
      {R"([{"call": "shell.run", "argv": ["x"], "signal": "KILL"}])", "s.json[0].signal", "whole number"},
      {R"([{"call": "fs.write", "path": "/x"}])", "s.json[0].fails", "missing"},
      {R"([{"call": "fs.write", "path": "/x", "fails": 28}])", "s.json[0].fails", "ENOSPC"},
      {R"([{"call": "fs.write", "path": "/x", "fails": "ENOSPACE"}])", "s.json[0].fails", "did you mean 'ENOSPC'?"},
      {R"([{"call": "fs.write", "path": "/x", "fails": "full"}])", "s.json[0].fails", "errno(3)"},
      {R"([{"call": "shell.run", "argv": ["x"], "fails": "EIO", "out": "x"}])", "s.json[0].out", "has not begun"},
      {R"([{"call": "shell.run", "argv": ["x"], "fails": "EIO", "takes": "1s"}])", "s.json[0].takes", "has not begun"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "out": ["x"]}])", "s.json[0].out", "in quotes"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "err": null}])", "s.json[0].err", "in quotes"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "takes": 3}])", "s.json[0].takes", "3s"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "takes": "3"}])", "s.json[0].takes", "unit"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "takes": "0s"}])", "s.json[0].takes", "leave"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "takes": "-1s"}])", "s.json[0].takes", "duration"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "times": 0}])", "s.json[0].times", "from 1"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "times": 3000000000}])", "s.json[0].times", "from 1"},
      {R"([{"call": "shell.run", "argv": ["x"], "code": 0, "times": null}])", "s.json[0].times", "from 1"},
  };
  for (const auto& row : kRows) {
    const auto lines = read(row.text);
    ASSERT_FALSE(lines) << row.text;
    EXPECT_EQ(lines.error().operation, "--script");
    EXPECT_TRUE(lines.error().object.ends_with(row.where)) << row.text << ": " << lines.error().text();
    EXPECT_THAT(lines.error().text(), HasSubstr(row.hint)) << row.text;
  }
}

TEST_F(ScriptFile, one_that_cannot_be_read_or_is_too_long_is_refused) {
  EXPECT_THAT(read_script(directory + "/absent", {}).error().text(), AllOf(HasSubstr("absent"), HasSubstr("ENOENT")));
  EXPECT_THAT(read_script(directory, {}).error().text(), HasSubstr("EISDIR"));
  const std::string line = R"({"call": "shell.run", "argv": ["x"], "code": 0, "out": ")";
  const std::string fits = "[" + line + std::string(kLongestScript - line.size() - 4, 'x') + "\"}]";
  ASSERT_EQ(fits.size(), kLongestScript);
  EXPECT_TRUE(read(fits));
  EXPECT_THAT(read(fits + "\n").error().text(), AllOf(HasSubstr("EFBIG"), HasSubstr("1 MiB")));
}

TEST_F(ScriptFile, one_of_brackets_alone_costs_nothing) {
  EXPECT_FALSE(read(std::string(kLongestScript, '[')));
  const size_t half = kLongestScript / 2;
  EXPECT_THAT(read(std::string(half, '[') + std::string(half, ']')).error().text(), HasSubstr("deeper"));
}

// Each key is looked for among all before it: a hundred thousand took eight seconds.
TEST_F(ScriptFile, one_of_keys_alone_costs_nothing) {
  const auto of_keys = [](int count) {
    std::string out = "[{";
    for (int i = 0; i < count; ++i) out += "\"" + std::to_string(i) + "\":0,";
    return out + "\"call\":\"shell.run\",\"argv\":[\"x\"],\"code\":0}]";
  };
  EXPECT_THAT(read(of_keys(10)).error().text(), AllOf(HasSubstr("s.json[0].0"), HasSubstr("has")));
  EXPECT_THAT(read(of_keys(90'000)).error().text(), AllOf(HasSubstr("s.json[0]"), HasSubstr("that many keys")));
}

}  // namespace
}  // namespace alos::host
