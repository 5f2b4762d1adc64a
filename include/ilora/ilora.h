// The C++ interface of ilora, whole: an application that keeps learning where its data lives.
//
//   ilora::Session session("runs/mine", {"model.path=model.gguf", "method=ilora"});
//   session.learn("invoices", {{"Is this invoice overdue? ...", " yes"}, ...});
//   std::string answer = session.answer("Is this invoice overdue? ...");
//   session.learn("tasks/contracts");   // a folder with train.json and test.json
//   session.answer("Is this invoice overdue? ...");   // still known
//
// A session is a run folder, as `ilora train` writes it: what one begins the other goes on with,
// and its adapters are PEFT folders. examples/embedding/ is a program that uses it.
//
// One that learns while another answers, with the weights in memory once:
//
//   ilora::Model model("model.gguf");
//   ilora::Session learner("runs/new", {"method=ilora"}, model), expert("runs/old", {}, model);
//   std::thread learning([&] { learner.learn("tasks/contracts"); });
//   expert.answer("Is this invoice overdue? ...");
//
// Every function throws std::runtime_error, whose what() says what is wrong, where, and what to do.
//
// Threads: a session is used by one thread at a time; only stop() may be called while another is in
// it. Different sessions, also of one model, may be used at the same time: none sees, stops or
// silences another, and each computes what it would alone. Each takes engine.threads threads: two
// that work at once want half of the cores each. A folder has one session that learns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ilora {

struct LoadedModel;

// What one side says in a conversation.
struct Message {
  std::string role;  // "system", "user", "assistant" or "tool"
  std::string content;
  bool learned = true;  // of the assistant: whether it is learned; false: read, as what was said
};

// One thing to learn: what is asked, and the answer to give. Or a conversation in their place, of which
// every answer of the assistant is learned; it needs data.template=chat and a model with a chat
// template. (What else a turn may have, such as tools, a task folder can say.)
struct Sample {
  std::string prompt = {};
  std::string answer = {};
  std::vector<Message> messages = {};
};

struct AnswerOptions {
  int64_t max_new_tokens = 128;
  double temperature = 0;  // 0: the likeliest token each time (greedy)
  double top_p = 1;        // with a temperature: the smallest set of tokens of this probability
  uint64_t seed = 1;       // of the draws
};

// A base model in memory, for several sessions. A copy is the same model, which is there until the
// last copy and the last of its sessions are gone; nothing changes it.
class Model {
 public:
  // A GGUF file or a Hugging Face folder. `settings`: model.weights, engine.mode, engine.kernels as
  // of `ilora train --set`, and engine.threads for the loading.
  explicit Model(const std::string& path, const std::vector<std::string>& settings = {});

 private:
  friend class Session;
  std::shared_ptr<const LoadedModel> loaded_;
};

// A training row that a run keeps, to be replayed or to measure by.
struct KeptSample {
  std::string task;
  int64_t number = 0;  // among the task's training rows, from 0
  std::string prompt;  // what the model saw of it; of a conversation, up to its last answer
  std::string answer;  // of a conversation, the last
};

class Session {
 public:
  // Opens the run in `folder`, or, where there is none, prepares a new one that the first learn()
  // begins. `settings` are "key=value" as of `ilora train --set`; `ilora train --options` lists the
  // keys. A new run needs model.path; of a run that is there, only how it computes may be changed
  // (engine.threads, engine.recompute, checkpoint.*), and what else is given must be what it has.
  explicit Session(std::string folder, std::vector<std::string> settings = {});
  // With a model that is in memory already, which must be the run's: the same path, precision and
  // kernels. A new run takes them from it.
  Session(std::string folder, std::vector<std::string> settings, const Model& model);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Learns one more task: trains, scores its test rows (without any, the training rows), saves.
  // Rows are kept in folder/tasks/NAME. False where stop() ended it: a checkpoint is written, and
  // resume(), or the next learn(), goes on there. Throws where NAME is learned already.
  bool learn(const std::string& name, const std::vector<Sample>& train,
             const std::vector<Sample>& test = {});
  // The same with a task folder: train.json, test.json and, if you like, eval.json.
  bool learn(const std::string& task_folder);
  // Finishes what was interrupted, by stop() or by the end of the process; true where nothing was.
  bool resume();

  // Answers with the learner that the method deploys; with the base model where nothing is learned.
  // Methods that answer each task with an adapter or prompts of its own (one, pp) do not know here
  // which task a prompt is of: they answer with what the last task left, while scores() counts each
  // task's own.
  std::string answer(const std::string& prompt, const AnswerOptions& options = {});
  // Together, which is faster than one by one.
  std::vector<std::string> answer(const std::vector<std::string>& prompts,
                                  const AnswerOptions& options = {});

  // The assistant's next turn in a conversation, in the model's chat template: of a run with
  // data.template=chat. It ends with a turn of somebody else.
  std::string reply(const std::vector<Message>& messages, const AnswerOptions& options = {});

  // Names of the tasks learned so far, in their order.
  std::vector<std::string> tasks() const;
  // Score of each of them after the last one, 0..1, in the same order: of its test rows.
  std::vector<double> scores() const;
  // The PEFT folder of the deployed learner; empty where nothing is learned.
  std::string adapter_folder() const;

  // The training rows that the run keeps, by task and number; one may be kept more than once. Of a
  // run without a checkpoint: none.
  std::vector<KeptSample> memory() const;
  // Takes rows out of the run, for good: of all its checkpoints, and of folder/tasks, where a row
  // that says nothing takes the place. Returns how many. What adapters have learned from them stays
  // learned. Throws where such a row is of a task that is still being learned.
  int64_t forget(const std::function<bool(const KeptSample&)>& leaves);

  // Lets this session's learn() or resume(), which another thread is in, end after its step, with a
  // checkpoint.
  void stop();
  // What its work says, warnings apart, on standard error, as the program shows it. Off unless asked
  // for.
  void show_progress(bool on);
  // The same line by line to a function, called by the thread that learns; warnings too. The latest
  // of the two calls counts.
  void on_message(std::function<void(const std::string& line)> receive);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ilora
