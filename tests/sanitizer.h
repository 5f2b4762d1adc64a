// Whether this executable runs under the thread sanitizer, which some tests cannot.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define ILORA_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ILORA_THREAD_SANITIZER 1
#endif
#endif
#ifndef ILORA_THREAD_SANITIZER
#define ILORA_THREAD_SANITIZER 0
#endif
