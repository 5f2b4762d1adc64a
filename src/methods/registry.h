// The table of methods. A new method is one file in this folder, a line here, one in registry.cpp.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "continual/method.h"

namespace ilora {

struct MethodEntry {
  const char* name;
  const char* summary;  // one line
  const char* source;   // the paper
  const char* stores;   // beside the adapter
  const char* cost;     // of a step from the second task on, in steps of seq, as counted
  std::unique_ptr<Method> (*make)();
};

std::span<const MethodEntry> methods();
// Throws Error(kUsage) that lists the methods there are.
const MethodEntry& find_method(const std::string& name);

std::unique_ptr<Method> make_zero_shot();
std::unique_ptr<Method> make_constant();
std::unique_ptr<Method> make_seq();
std::unique_ptr<Method> make_one();
std::unique_ptr<Method> make_mtl();
std::unique_ptr<Method> make_er();
std::unique_ptr<Method> make_ewc();
std::unique_ptr<Method> make_lwf();
std::unique_ptr<Method> make_sfa();
std::unique_ptr<Method> make_slao();
std::unique_ptr<Method> make_pm();
std::unique_ptr<Method> make_olora();
std::unique_ptr<Method> make_ogd();
std::unique_ptr<Method> make_gem();
std::unique_ptr<Method> make_agem();
std::unique_ptr<Method> make_derpp();
std::unique_ptr<Method> make_sure();
std::unique_ptr<Method> make_ilora();
std::unique_ptr<Method> make_l2p();
std::unique_ptr<Method> make_pp();

}  // namespace ilora
