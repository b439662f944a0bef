#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/host/enforcers.h"
#include "supervisor/host/facts.h"

namespace alos::cli {

enum class Need : uint8_t {
  required,  // without it every run is refused
  wanted,    // without it something is refused that a policy may ask for
  note,      // worth knowing; nothing depends on it
};

// One line of the doctor's findings.
struct Finding {
  std::string name;
  Need need = Need::note;
  host::Fact fact;
  std::string what_for;  // what alos does with it
  std::string without;   // what is refused when it is not there; for a note, what it means
};

struct Report {
  std::string kernel;
  uid_t uid = 0;
  std::vector<Finding> findings;
  host::Enforcers limits;
  std::vector<host::Limit> asked;    // the limits of the policy in question
  std::vector<host::Limit> degrade;  // of those, what nothing here holds

  bool missing() const;              // something required or wanted is not there, or a limit has nobody
  bool unsure() const;               // something required or wanted could not be tried
  bool runs() const;                 // everything required is there
  std::string degrade_flag() const;  // "--degrade memory,cpus", empty when none is needed
};

// Pure: what `facts` mean for runs of `facts.uid` under a policy that sets `limits`.
Report report_on(const host::Facts& facts, const std::vector<host::Limit>& limits);

}  // namespace alos::cli
