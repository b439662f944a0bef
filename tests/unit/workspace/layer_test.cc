#include "supervisor/workspace/layer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/sys.h"
#include "supervisor/workspace/gc.h"
#include "supervisor/workspace/meter.h"
#include "tests/unit/workspace/world.h"

namespace alos::workspace {
namespace {

using testing::HasSubstr;

class Layers : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(, Layers, testing::Values(Kernel::user_overlay, Kernel::root_overlay), kernel_name);

TEST(Record, survives_writing_and_reading) {
  Record record;
  record.workspace = "/w/\xff name";
  record.mode = Mode::copy;
  record.form = Form::trusted;
  record.owner = {1, 2};
  record.stamp_ns = 3;
  record.layer_denies = {{"/w/**/\xfe", {"/w/a"}, "rw", "rule", "why"}};
  record.runs = {{"run", 4}};
  record.identity = {5, 6, 7};
  const auto back = decode(encode(record).value());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->workspace, record.workspace);
  EXPECT_EQ(back->owner, record.owner);
  EXPECT_EQ(back->layer_denies.at(0).pattern, "/w/**/\xfe");
  EXPECT_EQ(back->runs.at(0).started_ns, 4);
  EXPECT_EQ(back->identity.device, 5);
  EXPECT_TRUE(back->identity.same(record.identity));
}

TEST(Identity, is_the_inode_and_its_birth_and_the_device_where_no_birth_is_kept) {
  const Identity born{5, 6, 7}, unborn{5, 6, 0};
  EXPECT_TRUE(born.same({9, 6, 7})) << "device numbers change with a reboot";
  EXPECT_FALSE(born.same({5, 6, 8})) << "an inode's number is used again";
  EXPECT_FALSE(born.same({5, 7, 7}));
  EXPECT_FALSE(unborn.same({9, 6, 0}));
  EXPECT_TRUE(unborn.same({5, 6, 0}));
}

TEST(Record, of_a_version_that_kept_no_identity_can_still_be_read) {
  std::string text = encode(Record{}).value();
  const size_t at = text.find("\"identity\""), end = text.find('}', at);
  ASSERT_NE(at, text.npos);
  text.erase(at, text.find('"', end) - at);
  const auto back = decode(text);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_FALSE(back->identity.known());
}

TEST_P(Layers, the_workspace_is_never_opened_through_a_link) {
  run([](World& world) {
    Record record;
    record.workspace = world.workspace();
    ASSERT_TRUE(open_workspace(record));
    const std::string parent = record.workspace.substr(0, record.workspace.rfind('/'));
    make_link(parent, world.state() + "-link");
    record.workspace = world.state() + "-link" + record.workspace.substr(parent.size());
    const auto opened = open_workspace(record);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ELOOP);
  });
}

TEST(Record, that_is_damaged_or_of_another_version_is_an_error) {
  for (const char* text : {"", "{", "[]", "{\"version\":1}", "{\"version\":2}", "{\"version\":1,\"workspace\":7}"})
    EXPECT_FALSE(decode(text)) << text;
}

TEST_P(Layers, a_layer_in_use_can_be_looked_at_but_not_changed) {
  run([](World& world) {
    const auto held = open_or_create(world.request());
    ASSERT_TRUE(held) << held.error().text();
    const auto other = open_layer(world.state(), world.workspace(), Access::change);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, EBUSY);
    EXPECT_THAT(other.error().text(), HasSubstr("run run_1"));
    EXPECT_TRUE(open_layer(world.state(), world.workspace(), Access::look));
    EXPECT_EQ(holder(held->path), "run run_1");
    EXPECT_FALSE(open_or_create(world.request())) << "two runs would share one upper directory";
  });
}

TEST_P(Layers, pending_changes_are_said) {
  run([](World& world) {
    world.agent([] { write("x", "1"); });
    auto layer = open_or_create(world.request());
    ASSERT_TRUE(layer);
    EXPECT_EQ(layer->pending_since(), "run_1");
    layer = Layer();
    world.undo();
    layer = open_or_create(world.request());
    ASSERT_TRUE(layer) << layer.error().text();
    EXPECT_FALSE(layer->pending);
  });
}

TEST_P(Layers, a_layer_that_a_crash_left_without_content_begins_anew) {
  run([](World& world) {
    world.agent([] {});
    ASSERT_EQ(::rmdir(world.upper("").c_str()), 0);
    world.agent([] { write("x", "1"); });
    EXPECT_EQ(world.changes().size(), 1u);
  });
}

TEST_P(Layers, denies_of_earlier_runs_stay_while_their_changes_do) {
  run([](World& world) {
    world.agent([] { write("x", "1"); }, {{"/a", {}, "r", "one", ""}});
    world.agent([] {}, {{"/b", {}, "r", "two", ""}});
    EXPECT_EQ(world.open(Access::look).record.layer_denies.size(), 2u);
    world.undo();
    world.agent([] {}, {{"/b", {}, "r", "two", ""}});
    EXPECT_EQ(world.open(Access::look).record.layer_denies.size(), 1u);
  });
}

TEST_P(Layers, a_directory_that_others_could_have_written_is_refused) {
  run([](World& world) {
    world.agent([] { write("x", "1"); });
    const std::string path = layers_directory(world.state()) + "/" + layer_key(world.workspace());
    ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
    EXPECT_EQ(open_layer_at(path, Access::look).error().code, EPERM);
  });
}

TEST_P(Layers, gc_keeps_what_has_changes_and_tells_the_others_apart) {
  run([](World& world) {
    const auto verdict = [&](std::optional<int64_t> older = {}) {
      return survey(world.state(), INT64_MAX, older).value().at(0).verdict;
    };
    world.agent([] { write("x", "1"); });
    EXPECT_EQ(verdict(), Verdict::pending);
    EXPECT_EQ(verdict(1), Verdict::old);
    EXPECT_EQ(verdict(INT64_MAX), Verdict::pending) << "older than there is time";
    {
      const auto held = open_or_create(world.request());
      EXPECT_EQ(verdict(), Verdict::in_use);
      EXPECT_EQ(remove_layer(survey(world.state(), 0, {}).value().at(0)).error().code, EBUSY);
    }
    world.undo();
    EXPECT_EQ(verdict(), Verdict::empty);
    ASSERT_EQ(::rename(world.workspace().c_str(), (world.workspace() + ".away").c_str()), 0);
    EXPECT_EQ(verdict(), Verdict::orphan);
    ASSERT_TRUE(remove_layer(survey(world.state(), 0, {}).value().at(0)));
    EXPECT_TRUE(survey(world.state(), 0, {}).value().empty());
  });
}

TEST(Age, is_days_or_hours_and_more_than_fits_is_longer_than_anything) {
  constexpr int64_t kHour = 3'600'000'000'000;
  EXPECT_EQ(parse_age("12h").value(), 12 * kHour);
  EXPECT_EQ(parse_age("30d").value(), 30 * 24 * kHour);
  EXPECT_EQ(parse_age("0h").value(), 0);
  for (const char* long_age : {"1000000d", "106752d", "3000000h", "99999999999999999999d"})
    EXPECT_EQ(parse_age(long_age).value(), INT64_MAX) << long_age;
  for (const char* none : {"", "d", "h", "30", "30m", "-1d", "+1d", " 1d", "1d ", "1 d", "0x1d"})
    EXPECT_FALSE(parse_age(none)) << none;
}

TEST_P(Layers, gc_removes_nothing_that_was_used_since_it_was_looked_at) {
  run([](World& world) {
    world.agent([] {});
    const Candidate seen = survey(world.state(), 0, {}).value().at(0);
    EXPECT_EQ(seen.verdict, Verdict::empty);
    world.agent([] { write("new", "x"); });
    EXPECT_EQ(remove_layer(seen).error().code, ESTALE);
    EXPECT_EQ(world.changes().size(), 1u);
  });
}

// What an apply leaves that was killed.
std::string leave_journal(World& world, const std::string& records) {
  const std::string path = layers_directory(world.state()) + "/" + layer_key(world.workspace());
  write(path + "/apply.journal", std::string("sabc\0", 5) + records);
  return path;
}

TEST_P(Layers, of_a_killed_apply_is_no_business_of_the_directory_that_stands_there_now) {
  run([](World& world) {
    world.agent([] { write("x", "1"); });
    const std::string path = leave_journal(world, std::string("d\0", 2));
    write(world.host(".alos-apply-abc-0"), "ours");
    ASSERT_EQ(::rename(world.workspace().c_str(), (world.workspace() + ".away").c_str()), 0);
    ASSERT_EQ(::mkdir(world.workspace().c_str(), 0755), 0);
    write(world.host(".alos-apply-abc-0"), "somebody else's");
    const auto found = survey(world.state(), 0, {}).value();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].verdict, Verdict::orphan) << found[0].reason;
    EXPECT_EQ(found[0].workspace, world.workspace());
    EXPECT_THAT(open_layer(world.state(), world.workspace(), Access::change).error().text(), HasSubstr("alos gc"));
    EXPECT_THAT(open_or_create(world.request()).error().text(), HasSubstr("alos gc"));
    EXPECT_EQ(read(world.host(".alos-apply-abc-0")), "somebody else's");
    // Back where it was, what the apply left is ended.
    ASSERT_EQ(::unlink(world.host(".alos-apply-abc-0").c_str()), 0);
    ASSERT_EQ(::rmdir(world.workspace().c_str()), 0);
    ASSERT_EQ(::rename((world.workspace() + ".away").c_str(), world.workspace().c_str()), 0);
    EXPECT_EQ(survey(world.state(), 0, {}).value().at(0).verdict, Verdict::pending);
    EXPECT_FALSE(exists(world.host(".alos-apply-abc-0")));
    EXPECT_FALSE(exists(path + "/apply.journal"));
  });
}

// Sparse: the hole is records without content.
TEST_P(Layers, of_a_killed_apply_go_on_however_long_its_journal_is) {
  if (GetParam() != Kernel::root_overlay) return;
  run([](World& world) {
    world.agent([] { write("x", "1"); });
    const std::string path = leave_journal(world, "");
    ASSERT_EQ(::truncate((path + "/apply.journal").c_str(), (off_t{512} << 20) + 1), 0);
    const auto journal = sys::open(path + "/apply.journal", O_WRONLY | O_APPEND);
    ASSERT_TRUE(journal && sys::write_all(journal->get(), std::string("d\0dcut", 6)));
    write(world.host(".alos-apply-abc-0"), "ours");
    EXPECT_EQ(outcome(world.apply(), "x"), "applied");
    EXPECT_FALSE(exists(world.host(".alos-apply-abc-0")));
    EXPECT_FALSE(exists(path + "/apply.journal"));
  });
}

TEST_P(Layers, with_a_journal_that_cannot_be_followed_say_what_to_do_and_are_in_no_others_way) {
  run([](World& world) {
    world.agent([] { write("x", "1"); });
    const std::string path = leave_journal(world, std::string("i7 ../x\0", 8));
    write(world.host("../x"), "somebody else's");
    for (const Access access : {Access::look, Access::change}) {
      const auto opened = open_layer(world.state(), world.workspace(), access);
      ASSERT_FALSE(opened);
      EXPECT_THAT(opened.error().text(), HasSubstr(path + "/apply.journal"));
      EXPECT_THAT(opened.error().text(), HasSubstr("remove that file"));
    }
    ASSERT_EQ(::mkdir((path + "-other").c_str(), 0700), 0);
    const auto found = survey(world.state(), 0, {}).value();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].verdict, Verdict::broken);
    EXPECT_THAT(found[0].reason, HasSubstr("remove that file"));
    ASSERT_EQ(::unlink((path + "/apply.journal").c_str()), 0);
    EXPECT_EQ(survey(world.state(), 0, {}).value().at(0).verdict, Verdict::pending);
    EXPECT_EQ(read(world.host("../x")), "somebody else's");
  });
}

TEST_P(Layers, the_meter_counts_blocks_once_and_in_slices) {
  run([](World& world) {
    ::mkdir(world.host("d").c_str(), 0755);
    write(world.host("d/big"), std::string(1 << 20, 'x'));
    ASSERT_EQ(::link(world.host("d/big").c_str(), world.host("again").c_str()), 0);
    write(world.host("sparse"), "x");
    ASSERT_EQ(::truncate(world.host("sparse").c_str(), off_t{1} << 40), 0);
    Meter meter(std::move(*sys::open(world.workspace(), O_RDONLY | O_DIRECTORY)));
    int slices = 0;
    for (; meter.rounds() == 0; ++slices) meter.step(2);
    EXPECT_GT(slices, 2);
    EXPECT_GE(meter.bytes(), 1u << 20);
    EXPECT_LT(meter.bytes(), 1u << 21);
    write(world.host("more"), std::string(1 << 20, 'x'));
    for (int i = 0; i < 20; ++i) meter.step(2);
    EXPECT_GE(meter.bytes(), 1u << 21);
  });
}

TEST_P(Layers, the_meter_charges_names_that_have_no_blocks) {
  run([](World& world) {
    ::mkdir(world.host("many").c_str(), 0755);
    for (int i = 0; i < 3000; ++i) make_link("x", world.host("many/" + std::to_string(i)));
    Meter meter(std::move(*sys::open(world.workspace(), O_RDONLY | O_DIRECTORY)));
    int slices = 0;
    for (; meter.rounds() == 0; ++slices) meter.step(100);
    EXPECT_GT(slices, 2) << "a large directory is read in slices as well";
    EXPECT_GE(meter.charged(), 3000 * Meter::kPerName);
    EXPECT_LT(meter.bytes(), 1u << 20);
  });
}

TEST_P(Layers, the_meter_comes_to_the_bottom_of_a_deep_tree_that_is_taken_away_meanwhile) {
  run([](World& world) {
    const auto descend = [](int levels) {
      for (int i = 0; i < levels; ++i) {
        ASSERT_EQ(::mkdir("a-directory-with-a-name-of-some-length", 0755), 0);
        write("beside", "x");
        ASSERT_EQ(::chdir("a-directory-with-a-name-of-some-length"), 0);
      }
    };
    ASSERT_EQ(::chdir(world.workspace().c_str()), 0);
    descend(900);
    ASSERT_EQ(::chdir("/"), 0);
    Meter meter(std::move(*sys::open(world.workspace(), O_RDONLY | O_DIRECTORY)));
    while (meter.rounds() == 0) meter.step(50);
    EXPECT_GE(meter.charged(), 1800 * Meter::kPerName);
    meter.step(50);
    const auto host = sys::open(world.workspace(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(remove_tree(host->get(), "a-directory-with-a-name-of-some-length"));
    for (int i = 0; i < 1000 && meter.rounds() < 3; ++i) meter.step(50);
    EXPECT_LT(meter.charged(), 1u << 20);
  });
}

int open_descriptors() {
  return static_cast<int>(sys::list(sys::open("/proc/self/fd", O_RDONLY | O_DIRECTORY)->get())->size());
}

TEST_P(Layers, the_meter_fails_on_a_chain_deeper_than_it_measures_and_holds_few_descriptors) {
  run([](World& world) {
    ASSERT_EQ(::chdir(world.workspace().c_str()), 0);
    const std::string name(250, 'n');
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(::mkdir(name.c_str(), 0755) == 0 && ::chdir(name.c_str()) == 0);
    ASSERT_EQ(::chdir("/"), 0);
    const int before = open_descriptors();
    Meter meter(std::move(*sys::open(world.workspace(), O_RDONLY | O_DIRECTORY)));
    for (int i = 0; i < 1000 && meter.failure().empty(); ++i) {
      meter.step(50);
      ASSERT_LT(open_descriptors(), before + 80);
    }
    EXPECT_THAT(meter.failure(), testing::HasSubstr("more than 1000 directories"));
    EXPECT_EQ(meter.rounds(), 0u);
    const auto host = sys::open(world.workspace(), O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(remove_tree(host->get(), name));
  });
}

TEST_P(Layers, the_meter_fails_when_no_descriptor_is_left) {
  run([](World& world) {
    ::mkdir(world.host("d").c_str(), 0755);
    Meter meter(std::move(*sys::open(world.workspace(), O_RDONLY | O_DIRECTORY)));
    std::vector<UniqueFd> all;
    for (auto fd = sys::open("/", O_PATH); fd; fd = sys::open("/", O_PATH)) all.push_back(std::move(*fd));
    all.pop_back();
    meter.step(100);
    all.clear();
    EXPECT_NE(meter.failure(), "");
    EXPECT_EQ(meter.rounds(), 0u);
  });
}

}  // namespace
}  // namespace alos::workspace
