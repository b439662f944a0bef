// alos-call as a program, against a scripted broker.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/child.h"
#include "peer.h"
#include "tests/program.h"

namespace alos::test {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using Words = std::vector<std::string>;

struct Said {
  int code = -1;
  std::string out, err;
  json parsed() const { return json::parse(out); }
};

std::string all_of(int fd) {
  ::lseek(fd, 0, SEEK_SET);
  return *sys::read_file(fd, 1 << 28);
}

Said run(const std::string& socket, Words words, std::string_view in = "") {
  words.insert(words.begin(), ALOS_CALL_PROGRAM);
  Words environment{"ALOS_SOCKET=" + socket, "PATH=/usr/bin:/bin"};
  const auto input = sys::memfd("in", in, true), out = sys::memfd("out", "", false), err = sys::memfd("err", "", false);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input->get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out->get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err->get(), 2);
  pid_t child = 0;
  const int rc = ::posix_spawn(&child, ALOS_CALL_PROGRAM, &actions, nullptr, sys::pointers_to(words).data(),
                               sys::pointers_to(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (rc != 0) throw std::runtime_error("posix_spawn");
  const int status = *sys::wait_for(child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), all_of(out->get()), all_of(err->get())};
}

// Answers every request with what `make` makes of it.
Peer::Script answers(std::function<void(const wire::Request&, wire::Reply&)> make) {
  return [make = std::move(make)](Talk& talk) {
    for (;;) {
      const Asked asked = talk.ask();
      wire::Reply reply = reply_to(asked.id());
      make(asked.request, reply);
      talk.say(reply);
    }
  };
}

Peer::Script always(wire::Reply (*make)(uint64_t)) {
  return [make](Talk& talk) {
    for (;;) talk.say(make(talk.ask().id()));
  };
}

TEST(Call, an_answer_is_one_json_object) {
  const Peer peer(answers([](const wire::Request& request, wire::Reply& reply) {
    EXPECT_EQ(request.fs_read().path(), "/etc/motd");
    EXPECT_FALSE(request.fs_read().has_length());
    reply.mutable_fs_read()->set_content("hello\n");
    reply.mutable_fs_read()->set_size(6);
    reply.mutable_fs_read()->set_version("v1");
  }));
  const Said said = run(peer.path(), {"fs.read", "/etc/motd"});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.out, R"({"ok":{"content":"hello\n","size":6,"truncated":false,"version":"v1"}})"
                      "\n");
  EXPECT_EQ(said.err, "");
}

TEST(Call, arguments_go_where_their_names_say) {
  const Peer peer(answers([](const wire::Request& request, wire::Reply& reply) {
    const wire::FsWrite& write = request.fs_write();
    EXPECT_EQ(write.path(), "/w/a");
    EXPECT_EQ(write.content(), "text");
    EXPECT_EQ(write.mode(), wire::CREATE);
    EXPECT_TRUE(write.in_place());
    EXPECT_EQ(write.if_version(), "v7");
    EXPECT_EQ(write.permissions(), 0640U);
    EXPECT_TRUE(write.sync());
    reply.mutable_fs_write()->set_created(true);
  }));
  const Said said = run(peer.path(), {"fs.write", "--mode", "create", "/w/a", "--content", "text", "--in-place",
                                      "--if-version=v7", "--permissions", "0640", "--sync"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.parsed()["ok"]["created"], true);
}

TEST(Call, an_argument_after_two_dashes_may_look_like_an_option) {
  const Peer peer(answers([](const wire::Request& request, wire::Reply& reply) {
    EXPECT_THAT(request.fs_rename().from(), EndsWith("/--replace")) << "from where the program is";
    EXPECT_EQ(request.fs_rename().to(), "/to");
    EXPECT_TRUE(request.fs_rename().replace());
    (void)reply.mutable_fs_rename();
  }));
  const Said said = run(peer.path(), {"fs.rename", "--replace", "--", "--replace", "/to"});
  EXPECT_EQ(said.out, "{\"ok\":{}}\n") << said.err;
}

TEST(Call, content_comes_from_a_file_or_standard_input_and_may_be_long) {
  const std::string large(200'000, 'L');
  const Peer peer([&](Talk& talk) {
    const Asked asked = talk.ask();
    EXPECT_TRUE(asked.request.attached());
    EXPECT_EQ(asked.content(), large);
    wire::Reply reply = reply_to(asked.id());
    (void)reply.mutable_fs_write();
    talk.say(reply);
  });
  EXPECT_EQ(run(peer.path(), {"fs.write", "/x", "--content-from", "-"}, large).code, 0);
  const std::string file = testing::TempDir() + "/content";
  std::ofstream(file) << large;
  EXPECT_EQ(run(peer.path(), {"fs.write", "/x", "--content-from", file}).code, 0);
}

TEST(Call, what_is_no_text_is_base64) {
  const Peer peer(answers([](const wire::Request&, wire::Reply& reply) {
    reply.mutable_fs_list()->add_entries()->set_name("n\xff");
    reply.mutable_fs_list()->mutable_entries(0)->set_type(wire::CHARACTER_DEVICE);
  }));
  const json said = run(peer.path(), {"fs.list", "/dev"}).parsed();
  EXPECT_EQ(said["ok"]["entries"][0]["name"]["base64"], "bv8=");
  EXPECT_EQ(said["ok"]["entries"][0]["type"], "character-device");
}

TEST(Call, permissions_are_octal_both_ways) {
  const Peer peer(
      answers([](const wire::Request&, wire::Reply& reply) { reply.mutable_fs_stat()->set_permissions(0755); }));
  EXPECT_EQ(run(peer.path(), {"fs.stat", "/x"}).parsed()["ok"]["permissions"], "0755");
}

TEST(Call, raw_writes_the_content_itself) {
  const std::string content("\0\xff bytes", 8);
  const Peer peer([&](Talk& talk) {
    wire::Reply reply = reply_to(talk.ask().id());
    reply.set_attached(true);
    (void)reply.mutable_fs_read();
    talk.say(reply, {sys::memfd("content", content, true)->get()});
  });
  const Said said = run(peer.path(), {"fs.read", "/x", "--raw"});
  EXPECT_EQ(said.out, content);
  EXPECT_EQ(said.code, 0);
}

TEST(Call, raw_says_when_there_is_more) {
  const Peer peer(
      answers([](const wire::Request&, wire::Reply& reply) { reply.mutable_fs_read()->set_truncated(true); }));
  EXPECT_THAT(run(peer.path(), {"fs.read", "/x", "--raw"}).err, HasSubstr("goes on"));
}

TEST(Call, a_denial_teaches) {
  const Peer peer(always(denied_reply));
  const Said said = run(peer.path(), {"fs.read", "/srv/app/.env"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.parsed()["denied"]["rule"], "secrets");
  EXPECT_EQ(said.err,
            "denied  fs.read /srv/app/.env\n"
            "        by rule 'secrets' (coding.yaml:12:3), layer policy: \"secrets stay out\"\n"
            "        nothing in this run can allow it\n");
}

TEST(Call, every_other_ending_has_its_code_and_its_words) {
  const Peer failing(always(failed_reply)), limiting(always(limit_reply)), losing(always(unknown_reply));
  Said said = run(failing.path(), {"fs.stat", "/nowhere"});
  EXPECT_EQ(said.code, 4);
  EXPECT_EQ(said.parsed()["failed"]["name"], "ENOENT");
  EXPECT_THAT(said.err, HasSubstr("openat2 /nowhere: No such file or directory (ENOENT)"));
  said = run(limiting.path(), {"clock.sleep", "5"});
  EXPECT_EQ(said.code, 5);
  EXPECT_EQ(said.parsed()["limit"]["value"], 64);
  EXPECT_THAT(said.err, HasSubstr("requests in flight is 64"));
  said = run(losing.path(), {"fs.mkdir", "/x"});
  EXPECT_EQ(said.code, 6);
  EXPECT_EQ(said.parsed()["unknown"]["operation"], "fs.write");
}

TEST(Call, words_that_steer_a_terminal_are_shown_and_not_obeyed) {
  const Peer peer(answers([](const wire::Request&, wire::Reply& reply) {
    reply.mutable_denied()->set_request("fs.read /\x1b[2J");
    reply.mutable_denied()->set_reason("a\nb");
  }));
  const Said said = run(peer.path(), {"fs.read", "/x"});
  EXPECT_EQ(said.err.find('\x1b'), std::string::npos);
  EXPECT_EQ(said.err.find("a\nb"), std::string::npos);
}

wire::Reply output(uint64_t id, const std::string& data, bool error) {
  wire::Reply out = reply_to(id);
  out.mutable_output()->set_data(data);
  out.mutable_output()->set_error(error);
  return out;
}

Peer::Script command(const Words& expected) {
  return [expected](Talk& talk) {
    const Asked asked = talk.ask();
    const auto& argv = asked.request.shell_run().argv();
    EXPECT_EQ(Words(argv.begin(), argv.end()), expected);
    talk.say(output(asked.id(), "to out\n", false));
    talk.say(output(asked.id(), "to err\n", true));
    talk.say(output(asked.id(), "more\n", false));
    wire::Reply reply = reply_to(asked.id());
    reply.mutable_shell_run()->set_code(7);
    reply.mutable_shell_run()->set_started(true);
    talk.say(reply);
  };
}

TEST(Call, a_command_s_streams_are_members_of_its_answer) {
  const Peer peer(command({"make", "--raw", "x"}));
  const Said said = run(peer.path(), {"shell.run", "--timeout-ms", "500", "--", "make", "--raw", "x"});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.parsed()["ok"]["output"], "to out\nmore\n");
  EXPECT_EQ(said.parsed()["ok"]["error"], "to err\n");
  EXPECT_EQ(said.parsed()["ok"]["code"], 7);
}

TEST(Call, a_raw_command_is_as_if_run_here) {
  const Peer peer(command({"make"}));
  const Said said = run(peer.path(), {"shell.run", "--raw", "--", "make"});
  EXPECT_EQ(said.code, 7);
  EXPECT_EQ(said.out, "to out\nmore\n");
  EXPECT_EQ(said.err, "to err\n");
}

TEST(Call, a_command_gets_environment_and_input) {
  const Peer peer(answers([](const wire::Request& request, wire::Reply& reply) {
    const wire::ShellRun& run = request.shell_run();
    EXPECT_EQ(run.stdin(), "typed");
    EXPECT_EQ(run.env_size(), 2);
    EXPECT_EQ(run.env(1).name(), "B");
    EXPECT_EQ(run.env(1).value(), "2=3");
    EXPECT_EQ(run.timeout_ms(), 1500U);
    (void)reply.mutable_shell_run();
  }));
  EXPECT_EQ(run(peer.path(), {"shell.run", "--env", "A=1", "--env", "B=2=3", "--stdin", "typed", "--timeout-ms", "1500",
                              "--", "cat"})
                .code,
            0);
}

TEST(Call, what_a_lost_command_wrote_is_told_all_the_same) {
  const Peer peer([](Talk& talk) { talk.say(output(talk.ask().id(), "half", false)); });
  const Said said = run(peer.path(), {"shell.run", "--", "make"});
  EXPECT_EQ(said.code, 6);
  EXPECT_EQ(said.parsed()["unknown"]["output"], "half");
}

Peer::Script opening(const UniqueFd& file) {
  return [&file](Talk& talk) {
    wire::Reply reply = reply_to(talk.ask().id());
    reply.set_attached(true);
    reply.mutable_fs_open()->set_size(5);
    reply.mutable_fs_open()->set_version("v");
    talk.say(reply, {file.get()});
  };
}

TEST(Call, an_opened_file_is_the_standard_input_of_a_command) {
  const auto file = sys::memfd("file", "12345", false);
  const Peer peer(opening(*file));
  EXPECT_EQ(run(peer.path(), {"fs.open", "/x", "--", "sh", "-c", "cat; exit 9"}).out, "12345");
  EXPECT_EQ(run(peer.path(), {"fs.open", "/x", "--", "sh", "-c", "exit 9"}).code, 9);
  EXPECT_EQ(run(peer.path(), {"fs.open", "/x", "--", "no-such-program"}).code, 127);
}

TEST(Call, a_file_opened_to_write_is_the_standard_output_of_a_command) {
  const auto file = sys::memfd("file", "", false);
  const Peer peer(opening(*file));
  EXPECT_EQ(run(peer.path(), {"fs.open", "/x", "--access", "append", "--", "echo", "to the file"}).out, "");
  EXPECT_EQ(all_of(file->get()), "to the file\n");
}

TEST(Call, a_file_opened_for_nobody_is_told_about) {
  const auto file = sys::memfd("file", "12345", false);
  const Peer peer(opening(*file));
  EXPECT_EQ(run(peer.path(), {"fs.open", "/x"}).out, R"({"ok":{"size":5,"version":"v"}})"
                                                     "\n");
}

TEST(Call, a_command_never_runs_without_the_descriptor) {
  const Peer peer(answers([](const wire::Request&, wire::Reply& reply) { (void)reply.mutable_fs_open(); }));
  const Said said = run(peer.path(), {"fs.open", "/x", "--", "echo", "started"});
  EXPECT_EQ(said.code, 4);
  EXPECT_THAT(said.out, testing::Not(HasSubstr("started")));
}

TEST(Call, a_command_never_gets_what_was_denied) {
  const Peer peer(always(denied_reply));
  const Said said = run(peer.path(), {"fs.open", "/x", "--", "echo", "started"});
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.out, testing::Not(HasSubstr("started")));
}

TEST(Call, why_asks_the_policy) {
  const Peer peer(answers([](const wire::Request& request, wire::Reply& reply) {
    EXPECT_EQ(request.policy_why().request(), "fs.read /x y");
    reply.mutable_policy_why()->set_effect("deny");
  }));
  EXPECT_EQ(run(peer.path(), {"why", "fs.read", "/x y"}).parsed()["ok"]["effect"], "deny");
  EXPECT_EQ(run(peer.path(), {"policy.why", "fs.read /x y"}).code, 0);
  EXPECT_EQ(run(peer.path(), {"why"}).code, 2);
}

TEST(Call, without_a_broker_it_says_what_that_means) {
  const Said said = run("/nonexistent", {"fs.read", "/x"});
  EXPECT_EQ(said.code, 3);
  EXPECT_EQ(said.out, "");
  for (const char* part : {"fs.read", "/nonexistent", "not in a box", "--degrade broker", "alos run"})
    EXPECT_THAT(said.err, HasSubstr(part));
}

TEST(Call, a_lost_connection_is_a_failure_only_where_nothing_can_have_happened) {
  const Peer peer([](Talk& talk) { (void)talk.ask(); });
  const Said read = run(peer.path(), {"fs.read", "/x"});
  EXPECT_EQ(read.code, 4);
  EXPECT_EQ(read.parsed()["failed"]["name"], "ECONNRESET");
  const Said write = run(peer.path(), {"fs.write", "/x", "--content", ""});
  EXPECT_EQ(write.code, 6);
  EXPECT_EQ(write.parsed()["unknown"]["operation"], "fs.write");
}

TEST(Call, a_broker_that_will_not_listen_gives_its_reason) {
  const Peer peer([](Talk& talk) {
    wire::Reply reply;
    reply.mutable_limit()->set_which("connections");
    talk.say(reply);
  });
  const Said said = run(peer.path(), {"fs.write", "/x", "--content", ""});
  EXPECT_TRUE(said.code == 4 || said.code == 6) << said.code;  // whether it was sent first
  EXPECT_THAT(said.err, HasSubstr("connections"));
}

TEST(Call, a_broker_that_breaks_the_protocol_is_not_believed) {
  const std::vector<std::function<void(Talk&, wire::Reply&)>> lies = {
      [](Talk& talk, wire::Reply&) { talk.say_bytes("\xff\xff\xff"); },
      [](Talk& talk, wire::Reply& reply) {
        reply.mutable_fs_read()->set_version("version");
        std::string bytes = reply.SerializeAsString();
        bytes[bytes.find("version")] = '\xff';  // no UTF-8
        talk.say_bytes(bytes);
      },
      [](Talk& talk, wire::Reply&) { talk.say_bytes(std::string(70'000, 'x')); },
      [](Talk& talk, wire::Reply& reply) { reply.set_id(99), talk.say(reply); },
      [](Talk& talk, wire::Reply& reply) { reply.set_attached(true), talk.say(reply); },
      [](Talk& talk, wire::Reply& reply) { talk.say(reply, {sys::memfd("x", "x", true)->get()}); },
      [](Talk& talk, wire::Reply& reply) {
        reply.set_attached(true), talk.say(reply, {sys::memfd("x", "x", false)->get()});
      },
      [](Talk& talk, wire::Reply& reply) { (void)reply.mutable_fs_stat(), talk.say(reply); },
      [](Talk& talk, wire::Reply& reply) {
        reply.mutable_denied()->set_rule("believed");
        reply.set_attached(true);
        talk.say(reply, {sys::memfd("x", "x", true)->get()});
      },
      [](Talk& talk, wire::Reply& reply) { reply.clear_answer(), talk.say(reply); },
      [](Talk& talk, wire::Reply& reply) {
        reply.mutable_output()->set_data("x");
        reply.set_attached(true);
        talk.say(reply, {sys::memfd("x", "x", true)->get()});
      },
  };
  for (size_t i = 0; i < lies.size(); ++i) {
    const Peer peer([&](Talk& talk) {
      wire::Reply reply = reply_to(talk.ask().id());
      reply.mutable_fs_read()->set_content("believed");
      lies[i](talk, reply);
      talk.linger();
    });
    const Said said = run(peer.path(), {"fs.read", "/x"});
    EXPECT_EQ(said.code, 4) << i;
    EXPECT_TRUE(said.err.starts_with("failed  fs.read: ")) << said.err;
    EXPECT_THAT(said.out, testing::Not(HasSubstr("believed"))) << i;
  }
}

class WrongUsage : public testing::TestWithParam<Words> {};

TEST_P(WrongUsage, is_said_before_anything_is_asked) {
  const Peer peer(always(failed_reply));
  const Said said = run(peer.path(), GetParam());
  EXPECT_EQ(said.code, 2);
  EXPECT_EQ(said.out, "");
  EXPECT_NE(said.err, "");
  EXPECT_EQ(peer.connections(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    , WrongUsage,
    testing::Values(Words{}, Words{"fs.raed", "/x"}, Words{"fs.read"}, Words{"fs.read", "/x", "/y"},
                    Words{"fs.read", "/x", "--ofset", "1"}, Words{"fs.read", "/x", "--offset"},
                    Words{"fs.read", "/x", "--offset", "-1"}, Words{"fs.read", "/x", "--offset", "1k"},
                    Words{"fs.read", "/x", "--offset", ""}, Words{"fs.read", "/x", "--offset", "1", "--offset", "2"},
                    Words{"fs.read", "/x", "--length", "99999999999999999999"}, Words{"fs.write", "/x"},
                    Words{"fs.write", "/x", "--content", "a", "--content-from", "-"},
                    Words{"fs.write", "/x", "--content-from", "/nonexistent"},
                    Words{"fs.write", "/x", "--content", "", "--mode", "creat"},
                    Words{"fs.write", "/x", "--content", "", "--sync=yes"},
                    Words{"fs.write", "/x", "--content", "", "--raw"},
                    Words{"fs.write", "/x", "--content", "", "--permissions", "0800"},
                    Words{"fs.list", "/x", "--count", "4294967296"}, Words{"shell.run", "make"}, Words{"shell.run"},
                    Words{"shell.run", "--"}, Words{"shell.run", "--env", "A", "--", "x"},
                    Words{"clock.now", "--zone", "\xff"}, Words{"clock.sleep", "soon"}));

TEST(CallHelp, every_primitive_is_listed_and_explains_itself_with_an_example_that_parses) {
  const Peer peer(always(denied_reply));
  std::istringstream lines(run("", {"--list"}).out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    const Said help = run("", {name, "--help"});
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_EQ(help.err, "");
    const size_t at = help.out.find("Example: alos-call ");
    ASSERT_NE(at, std::string::npos) << name;
    // As a shell reads it.
    const std::string example = help.out.substr(help.out.find(' ', at) + 1);
    const std::string command = "cd '" + std::string(ALOS_CALL_DIRECTORY) +
                                "' && PATH=.:$PATH ALOS_SOCKET=" + peer.path() + " " +
                                example.substr(0, example.find('\n'));
    EXPECT_EQ(run_shell(command).code, 1) << command;
  }
  EXPECT_GE(count, 14);
}

TEST(CallHelp, after_two_dashes_it_is_the_command_s_own) {
  const Peer peer(command({"make", "--help"}));
  EXPECT_EQ(run(peer.path(), {"shell.run", "--raw", "--", "make", "--help"}).code, 7);
}

TEST(CallHelp, output_that_nobody_gets_is_no_success) {
  EXPECT_EQ(run_shell(std::string(ALOS_CALL_PROGRAM) + " --list >/dev/full").code, 3);
}

TEST(CallHelp, the_reference_in_the_tree_is_what_the_description_says) {
  std::ifstream in(ALOS_REFERENCE);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), run("", {"--reference"}).out) << "make it anew: alos-call --reference > docs/primitives.md";
}

}  // namespace
}  // namespace alos::test
