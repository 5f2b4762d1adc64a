// The page at "/": plain files in the program (cmake/embed.cmake), which load nothing from elsewhere.
#pragma once

namespace httplib {
class Server;
}

namespace ilora {

void add_page(httplib::Server& server);

}  // namespace ilora
