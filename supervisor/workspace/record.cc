#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/paths.h"
#include "supervisor/workspace/layer.h"

namespace alos::workspace {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;

// JSON holds text, a path holds bytes.
Json bytes(const std::string& raw) {
  if (printable_text(raw) == raw) return raw;
  return Json{{"hex", hex({reinterpret_cast<const uint8_t*>(raw.data()), raw.size()})}};
}

std::string bytes_of(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  const std::string text = json.at("hex").get<std::string>();
  std::string raw(text.size() / 2, '\0');
  if (!unhex(text, {reinterpret_cast<uint8_t*>(raw.data()), raw.size()}))
    throw Json::other_error::create(501, "hex", &json);
  return raw;
}

Json to_json(const LayerDeny& deny) {
  Json except = Json::array();
  for (const std::string& pattern : deny.except) except.push_back(bytes(pattern));
  return {{"pattern", bytes(deny.pattern)},
          {"except", except},
          {"denied", deny.denied},
          {"rule", deny.rule},
          {"reason", bytes(deny.reason)}};
}

LayerDeny deny_of(const Json& json) {
  LayerDeny deny{bytes_of(json.at("pattern")), {}, json.at("denied"), json.at("rule"), bytes_of(json.at("reason"))};
  for (const Json& pattern : json.at("except")) deny.except.push_back(bytes_of(pattern));
  return deny;
}

Json to_json(const Identity& identity) {
  return {{"device", identity.device}, {"inode", identity.inode}, {"born_ns", identity.born_ns}};
}

Json to_json(const Run& run) {
  return {{"id", run.id}, {"started_ns", run.started_ns}};
}

Record record_of(const Json& json) {
  Record record;
  record.workspace = bytes_of(json.at("workspace"));
  if (const Json identity = json.value("identity", Json()); identity.is_object())
    record.identity = {identity.at("device"), identity.at("inode"), identity.at("born_ns")};
  record.mode = json.at("mode") == "copy" ? Mode::copy : Mode::layer;
  record.form = json.at("form") == "trusted" ? Form::trusted : Form::user;
  record.owner = {json.at("uid").get<uid_t>(), json.at("gid").get<gid_t>()};
  record.stamp_ns = json.at("stamp_ns");
  record.copied_ns = json.at("copied_ns");
  record.image_bytes = json.value("image_bytes", uint64_t{0});
  record.root_mode = json.value("root_mode", mode_t{0});
  record.policy = bytes_of(json.at("policy"));
  record.policy_hash = json.at("policy_hash");
  for (const Json& deny : json.at("layer_denies")) record.layer_denies.push_back(deny_of(deny));
  for (const Json& rename : json.value("renames", Json::array()))
    record.renames.push_back({bytes_of(rename.at("from")), bytes_of(rename.at("to"))});
  for (const Json& run : json.at("runs")) record.runs.push_back({run.at("id"), run.at("started_ns")});
  return record;
}

}  // namespace

Result<std::string> encode(const Record& record) try {
  Json denies = Json::array(), renames = Json::array(), runs = Json::array();
  for (const Rename& rename : record.renames)
    renames.push_back({{"from", bytes(rename.from)}, {"to", bytes(rename.to)}});
  for (const LayerDeny& deny : record.layer_denies) denies.push_back(to_json(deny));
  for (const Run& run : record.runs) runs.push_back(to_json(run));
  const Json json = {{"version", kVersion},
                     {"workspace", bytes(record.workspace)},
                     {"identity", to_json(record.identity)},
                     {"mode", record.mode == Mode::copy ? "copy" : "layer"},
                     {"form", record.form == Form::trusted ? "trusted" : "user"},
                     {"uid", record.owner.uid},
                     {"gid", record.owner.gid},
                     {"stamp_ns", record.stamp_ns},
                     {"copied_ns", record.copied_ns},
                     {"image_bytes", record.image_bytes},
                     {"root_mode", record.root_mode},
                     {"policy", bytes(record.policy)},
                     {"policy_hash", record.policy_hash},
                     {"layer_denies", denies},
                     {"renames", renames},
                     {"runs", runs}};
  return json.dump(1) + "\n";
} catch (const Json::exception& e) {
  return fail("encode", "layer.json", EILSEQ, e.what());
}

Result<Record> decode(const std::string& text) try {
  const Json json = Json::parse(text);
  if (json.at("version") != kVersion)
    return fail("read", "layer.json", EILSEQ, "written by another version of alos; use that one to apply or undo");
  return record_of(json);
} catch (const Json::exception& e) {
  return fail("read", "layer.json", EILSEQ, e.what());
}

}  // namespace alos::workspace
