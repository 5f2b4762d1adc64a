#include "serve/page.h"

#include <string>

#include "serve/http.h"

// Defined by cmake/embed.cmake.
extern const char ilora_asset_serve_html[], ilora_asset_serve_html_end[];
extern const char ilora_asset_serve_css[], ilora_asset_serve_css_end[];
extern const char ilora_asset_serve_js[], ilora_asset_serve_js_end[];
extern const char ilora_asset_openapi[], ilora_asset_openapi_end[];

namespace ilora {
namespace {

// Nothing but this server's own files, and no frame around them.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

void add(httplib::Server& server, const char* path, std::string content, const char* type) {
  server.Get(path, [content = std::move(content), type](const httplib::Request&,
                                                        httplib::Response& response) {
    response.set_header("Content-Security-Policy", kPolicy);
    response.set_header("Cache-Control", "no-cache");
    response.set_content(content, type);
  });
}

}  // namespace

void add_page(httplib::Server& server) {
  add(server, "/", {ilora_asset_serve_html, ilora_asset_serve_html_end},
      "text/html; charset=utf-8");
  add(server, "/page.css", {ilora_asset_serve_css, ilora_asset_serve_css_end}, "text/css");
  add(server, "/openapi.json", {ilora_asset_openapi, ilora_asset_openapi_end}, "application/json");
  add(server, "/page.js", {ilora_asset_serve_js, ilora_asset_serve_js_end}, "text/javascript");
}

}  // namespace ilora
