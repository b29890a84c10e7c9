#include "cli.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "config/options.hpp"

#ifndef SYNCKIT_VERSION
#define SYNCKIT_VERSION "0.0.0"
#endif

namespace synckit::cli {
namespace {

void add_documents(CLI::App& doc, Documents& options, int& code) {
  doc.require_subcommand(1);
  for (const char* name : {"list", "get"}) {
    bool list = std::string(name) == "list";
    CLI::App* sub =
        doc.add_subcommand(name, list ? "List documents" : "Print one document as JSON");
    sub->add_option("--config", options.config, "Configuration file: read its storage directly");
    sub->add_option("--data", options.data, "Data folder: read its SQLite store directly");
    sub->add_option("--url", options.url, "Ask a running host, for example http://127.0.0.1:4242");
    sub->add_option("--token", options.token, "Credential for --url");
    if (list) {
      sub->add_option("--prefix", options.prefix, "Only ids that start with this");
      sub->add_option("--limit", options.limit, "At most this many")->check(CLI::Range(1, 100000));
    } else {
      sub->add_option("id", options.id, "Document id")->required();
    }
    sub->callback([&options, &code, list] { code = list ? doc_list(options) : doc_get(options); });
  }
}

void add_token(CLI::App& app, Token& options, int& code) {
  CLI::App* sub = app.add_subcommand("token", "Sign a JWT from a key file, for development");
  sub->add_option("--key", options.key_file,
                  "Secret (HS256) or private key in PEM (RS256, ES256, EdDSA)")
      ->required();
  sub->add_option("--alg", options.algorithm, "HS256, RS256, ES256 or EdDSA")
      ->check(CLI::IsMember({"HS256", "RS256", "ES256", "EdDSA"}))
      ->capture_default_str();
  sub->add_option("--kid", options.kid, "Key id");
  sub->add_option("--sub", options.subject, "Who the token is for")->capture_default_str();
  sub->add_option("--iss", options.issuer, "Issuer");
  sub->add_option("--aud", options.audience, "Audience");
  sub->add_option("--permissions", options.permissions, "JSON object: document pattern -> level")
      ->capture_default_str();
  sub->add_option("--lifetime", options.lifetime_s, "Seconds until it expires")
      ->check(CLI::Range(1, 31536000))
      ->capture_default_str();
  sub->callback([&options, &code] { code = token(options); });
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app{"SyncKit: a local-first sync host"};
  app.set_version_flag("--version", "synckit " SYNCKIT_VERSION);
  app.require_subcommand(1);
  int code = kOk;

  Serve serve_options;
  CLI::App* sub = app.add_subcommand("serve", "Run the host");
  sub->add_option("--config", serve_options.config, "Configuration file (YAML)");
  sub->add_option("--data", serve_options.data, "Folder for the SQLite store; made when absent");
  sub->add_option("--listen", serve_options.listen, "Address, or address:port");
  sub->add_option("--port", serve_options.port, "Port; 0 picks a free one")
      ->check(CLI::Range(0, 65535));
  sub->callback([&] { code = serve(serve_options); });

  std::string config;
  sub = app.add_subcommand("check-config", "Report every error of a configuration file");
  sub->add_option("file", config, "Configuration file (YAML)")->required();
  sub->callback([&] { code = check_config(config); });

  sub = app.add_subcommand("config-reference", "Print the reference of all options (Markdown)");
  sub->callback([&] { std::fputs(config_reference().c_str(), stdout); });

  CLI::App* plugin = app.add_subcommand("plugin", "Plugins");
  plugin->require_subcommand(1);
  bool json = false;
  std::string plugin_config;
  sub = plugin->add_subcommand("list", "List the plugins that are found, and whether they load");
  sub->add_option("--config", plugin_config, "Configuration file, for plugins.paths and .allow");
  sub->add_flag("--json", json, "One JSON array");
  sub->callback([&] { code = plugin_list(plugin_config, json); });

  Documents documents;
  add_documents(*app.add_subcommand("doc", "Look at documents"), documents, code);
  Token token_options;
  add_token(app, token_options, code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kOk : kUsage;
  }
  return code;
}

}  // namespace synckit::cli
