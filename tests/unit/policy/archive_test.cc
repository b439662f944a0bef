#include "policy/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy/files.h"

namespace alos::policy {
namespace {

const std::string kEveryKind =
    kHead +
    "vars: {workspace: dir}\n"
    "files:\n"
    "  sources: {allow: rwx, path: $workspace/**}\n"
    "  secrets: {deny: rwx, path: $workspace/**/.env*, except: $workspace/.env.example, reason: secrets}\n"
    "  runbooks: {allow: r, path: /srv/runbooks/**, audit: each}\n"
    "commands:\n"
    "  deploy: {allow: '/opt/deploy [-n <count:int>] <service:word>', files: {r: /etc/deploy.conf}}\n"
    "  never: {deny: /opt/deploy production ..., reason: people}\n"
    "clock: {sleep: {each: 6h, total: 24h}}\n";

Policy loaded() {
  auto out = load_text(kEveryKind);
  EXPECT_TRUE(out) << render(out ? Problems() : out.error());
  return out ? std::move(out->policy) : Policy();
}

TEST(PolicyArchive, decides_as_the_policy_did) {
  const Policy before = loaded();
  const auto after = decode<Policy>(encode(before), "policy");
  ASSERT_TRUE(after) << after.error().text();
  const CompiledPolicy a = compile(before), b = compile(*after);
  for (const char* line :
       {"fs.read /w/a", "fs.read /w/.env", "fs.read /w/.env.example", "fs.write /srv/runbooks/x",
        "fs.read /srv/runbooks/x", "fs.read /tmp/x", "shell.run /opt/deploy web", "shell.run /opt/deploy -n 3 web",
        "shell.run /opt/deploy production", "shell.run /usr/bin/true", "clock.sleep 6h", "clock.sleep 7h", "clock.now",
        "net.connect a:1"}) {
    const Request request = *Request::parse(line);
    std::vector<Match> all_a, all_b;
    const Decision one = decide(a, request, &all_a), two = decide(b, request, &all_b);
    EXPECT_EQ(one.effect, two.effect) << line;
    EXPECT_EQ(one.rule_name(), two.rule_name()) << line;
    EXPECT_EQ(one.reason(), two.reason()) << line;
    EXPECT_EQ(one.source().text(), two.source().text()) << line;
    EXPECT_EQ(one.layer, two.layer) << line;
    EXPECT_EQ(one.elevated, two.elevated) << line;
    EXPECT_EQ(all_a.size(), all_b.size()) << line;
  }
  EXPECT_EQ(encode(*after), encode(before));
}

TEST(PolicyArchive, refuses_bytes_that_hold_no_policy) {
  const std::string sound = encode(loaded());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string bytes = sound;
    const size_t at = bytes.find(from);
    EXPECT_NE(at, bytes.npos) << from;
    return decode<Policy>(bytes.replace(at, from.size(), to), "policy").has_value();
  };
  EXPECT_TRUE(with("/srv/runbooks/**", "/srv/runbookz/**"));
  EXPECT_FALSE(with("/srv/runbooks/**", "/srv/runbo**s/**")) << "no pattern";
  EXPECT_FALSE(with("/srv/runbooks/**", "srvv/runbooks/**")) << "no absolute one";
  EXPECT_FALSE(with("[-n <count:int>]", "[-n <count:imt>]")) << "no usage line";
  EXPECT_FALSE(with("production ...", "production [[[")) << "no usage line";
  for (size_t size = 0; size < sound.size(); ++size)
    EXPECT_FALSE(decode<Policy>(sound.substr(0, size), "policy")) << size;
  EXPECT_FALSE(decode<Policy>(sound + "x", "policy"));
}

TEST(PolicyArchive, refuses_an_effect_that_is_none) {
  Policy policy = loaded();
  policy.files[0].effect = static_cast<Effect>(7);
  EXPECT_FALSE(decode<Policy>(encode(policy), "policy"));
}

}  // namespace
}  // namespace alos::policy
