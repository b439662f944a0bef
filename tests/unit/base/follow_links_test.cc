#include "base/follow_links.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace alos {
namespace {

using End = Followed::End;
using Kind = OnTheWay::Kind;

// Link texts by path; everything else is there, but "absent" and what lies in "closed".
Followed follow(const std::map<std::string, std::string>& links, const std::string& from, const std::string& path) {
  return *follow_links(from, path, [&](const std::string& name) -> Result<OnTheWay> {
    if (name.ends_with("/absent")) return OnTheWay{Kind::absent};
    if (name.find("/closed/") != name.npos) return OnTheWay{Kind::closed};
    const auto link = links.find(name);
    return link == links.end() ? OnTheWay{} : OnTheWay{Kind::link, link->second};
  });
}

TEST(FollowLinks, leaves_a_path_without_links_as_it_is) {
  const Followed to = follow({}, "/w", "a/./b//c/../d/");
  EXPECT_EQ(to.end, End::there);
  EXPECT_EQ(to.path, "/w/a/b/d");
  EXPECT_TRUE(to.links.empty());
  EXPECT_EQ(follow({}, "/", "../..").path, "/");
}

TEST(FollowLinks, follows_relative_and_absolute_links_on_the_way_and_at_the_end) {
  const std::map<std::string, std::string> links{
      {"/w/current", "releases/1"}, {"/w/releases/1", "/srv/one"}, {"/srv/one/env", "../dotenv"}};
  const Followed to = follow(links, "/w", "current/env");
  EXPECT_EQ(to.end, End::there);
  EXPECT_EQ(to.path, "/srv/dotenv");
  EXPECT_EQ(to.links, (std::vector<std::string>{"/w/current", "/w/releases/1", "/srv/one/env"}));
}

TEST(FollowLinks, goes_up_from_where_a_link_leads_and_not_from_where_it_lies) {
  EXPECT_EQ(follow({{"/w/a", "/x/y"}}, "/w", "a/../b").path, "/x/b");
}

TEST(FollowLinks, ends_nowhere_at_what_is_absent_and_in_circles) {
  EXPECT_EQ(follow({{"/w/a", "absent"}}, "/w", "a/b").end, End::nowhere);
  EXPECT_EQ(follow({{"/w/a", "b"}, {"/w/b", "a"}}, "/w", "a").end, End::nowhere);
}

TEST(FollowLinks, follows_as_many_links_as_the_kernel) {
  std::map<std::string, std::string> links;
  for (int i = 0; i < 41; ++i) links["/l" + std::to_string(i)] = i == 0 ? "end" : "l" + std::to_string(i - 1);
  EXPECT_EQ(follow(links, "/", "l39").path, "/end");
  EXPECT_EQ(follow(links, "/", "l39").end, End::there);
  EXPECT_EQ(follow(links, "/", "l40").end, End::nowhere);
}

TEST(FollowLinks, names_the_directory_that_cannot_be_searched) {
  const Followed to = follow({{"/w/a", "closed/x/y"}}, "/w", "a");
  EXPECT_EQ(to.end, End::closed);
  EXPECT_EQ(to.path, "/w/closed");
}

TEST(FollowLinks, hands_an_error_on) {
  const auto to =
      follow_links("/", "a", [](const std::string& name) -> Result<OnTheWay> { return fail("look", name, EIO); });
  ASSERT_FALSE(to);
  EXPECT_EQ(to.error().code, EIO);
}

}  // namespace
}  // namespace alos
