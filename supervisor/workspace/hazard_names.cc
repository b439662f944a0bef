#include "supervisor/workspace/hazard_names.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace alos::workspace {
namespace {

// The words of what `text()` gives, parted by single blanks.
template <class Text>
consteval auto words(Text /*text*/) {
  constexpr std::string_view kText = Text{}();
  std::array<std::string_view, std::count(kText.begin(), kText.end(), ' ') + 1> out;
  size_t at = 0;
  for (std::string_view& word : out) {
    const size_t end = std::min(kText.find(' ', at), kText.size());
    word = kText.substr(at, end - at);
    at = end + 1;
  }
  return out;
}

constexpr auto kAgent = words([] {
  return
      // in a project or a home
      ".claude/ .claude.json .claude-plugin/ .mcp.json mcp.json .mcp/ mcp_config.json mcp-config.json "
      "mcp_settings.json mcp.yaml cline_mcp_settings.json claude_desktop_config.json .codex/ .cursor/ .gemini/ "
      ".qwen/ .iflow/ .continue/ .continuerc.json .aider* .windsurf/ .codeium/ .roo/ .roomodes .cline/ .kilocode/ "
      ".kilocodemodes .kiro/ .amazonq/ .opencode/ opencode.json opencode.jsonc .agents/ .agent/ .goose/ "
      ".config/goose/ .amp/ .config/amp/ .config/opencode/ .config/crush/ .crush/ crush.json .crush.json .junie/ "
      ".openhands/ .augment/ .trae/ .factory/ .warp/ .zencoder/ .tabnine/ .cody/ .sourcegraph/ .forge/ forge.yaml "
      ".plandex*/ .mentat_config.json gptme.toml .config/gptme/ .swe-agent/ .copilot/ .github/copilot/ "
      ".github/hooks/ .github/skills/ .codebuddy/ .qoder/ .lingma/ .rovodev/ .antigravity/ .pi/ .kimi/ .vibe/ "
      ".openclaw/ .serena/ .taskmaster/ .ruler/ conductor.json .container-use/ fastagent.config.yaml "
      "fastagent.secrets.yaml langgraph.json smithery.yaml .alos/ .alos.yaml";
});

constexpr auto kPrompt = words([] {
  return "agents.md agents.override.md claude.md claude.local.md gemini.md qwen.md crush.md iflow.md warp.md codex.md "
         "opencode.md agent.md skill.md .cursorrules .windsurfrules .clinerules .clinerules/ .roorules* "
         ".kilocoderules* "
         ".goosehints .rules .augment-guidelines .openhands_instructions copilot-instructions.md *.instructions.md "
         "*.prompt.md *.chatmode.md *.agent.md .github/instructions/ .github/prompts/ .github/agents/ "
         ".github/chatmodes/ airules.md";
});

constexpr auto kEditor = words([] {
  return
      // vim, neovim, emacs
      ".vimrc _vimrc .gvimrc _gvimrc .vimrc.local .local.vimrc .exrc _exrc .nvimrc .nvim.lua .lvimrc .lazy.lua .nvim/ "
      ".nova/ "
      "init.vim "
      "ginit.vim nvim/ .vim/ .vimspector.json .gadgets.json .projections.json coc-settings.json .emacs .emacs.el "
      ".emacs.elc .emacs.d/ .emacs.desktop .spacemacs .spacemacs.d/ .doom.d/ .dir-locals.el .dir-locals-2.el "
      ".tern-project .gnus .gnus.el .ercrc.el "
      // others that open a directory
      ".vscode/ .vscode-server/ .vscode-insiders/ *.code-workspace *.code-profile .vs/ tasks.vs.json launch.vs.json "
      "cppproperties.json .devcontainer/ .devcontainer.json devcontainer.json .theia/ .idx/ .idea/ *.iml *.ipr *.iws "
      ".fleet/ .run/ *.run.xml .helix/ .config/helix/ .zed/ .config/zed/ .kateproject* .kateconfig .lite_project.lua "
      ".textadept/ .config/micro/ .kakrc kakrc .config/kak/ .nanorc nanorc .joerc .jmacsrc .jstarrc .jedrc .mg .ne/ "
      "visrc.lua .config/vis/ *.sublime-project *.sublime-workspace *.sublime-build *.sublime-settings "
      "*.sublime-commands *.sublime-keymap *.sublime-mousemap *.sublime-macro *.geany .project .classpath .cproject "
      ".settings/ .externaltoolbuilders/ *.launch nbproject/ .qtcreator/ *.creator *.pro.user cmakelists.txt.user "
      "*.kdev4 .kdev4/ *.cbp *.lpi .atom/ .pulsar/ *.rproj .rproj.user/ .spyproject/ project.godot *.uproject "
      "*.uplugin "
      // what asks language servers
      "hie.yaml .ycm_extra_conf.py .merlin .luarc.json .luarc.jsonc .emmyrc.json analysis_options.yaml .clangd "
      "compile_commands.json compile_flags.txt .ccls pyrightconfig.json rust-analyzer.toml .rust-analyzer.toml "
      "rust-project.json zls.json ols.json omnisharp.json .metals/ .bsp/ .bloop/ .lsp/ .clj-kondo/ .neoconf.json "
      ".nlsp-settings/ .solargraph.yml .ruby-lsp/ .ctags .ctags.d/ .globalrc gtags.conf "
      // debuggers
      ".gdbinit .gdbearlyinit *-gdb.py *-gdb.gdb *-gdb.scm .lldbinit* .pdbrc .pdbrc.py .radare2rc .rizinrc .gef.rc "
      ".pwnrc .rdbgrc .rdbgrc.rb .jdbrc jdb.ini .dlv/ .config/dlv/ .cgdb/ .perfconfig .valgrindrc .systemtap/";
});

constexpr auto kShell = words([] {
  return
      // shells and what sets their environment
      ".profile .bashrc .bash_profile .bash_login .bash_logout .bash_aliases .bash_completion .bash_completion.d/ "
      ".bash_it/ .blerc .inputrc .zshrc .zshenv .zprofile .zlogin .zlogout .zsh/ .oh-my-zsh/ .zpreztorc .zimrc "
      ".p10k.zsh .zsh_plugins.* .kshrc .mkshrc .shrc .shinit .yashrc .yash_profile .cshrc .tcshrc .login .logout "
      "fish/ .xonshrc .config/xonsh/ .config/elvish/ .config/nushell/ .config/ion/ .config/powershell/ *profile.ps1 "
      ".envrc .envrc.* .env .env.local .env.*.local .env.development .env.production .env.test .flaskenv .direnvrc "
      "direnvrc direnv.toml .config/direnv/ .direnv/ .autoenv .autoenv.zsh .autoenv_leave .env.leave .ondirrc "
      ".smartcd/ .shadowenv.d/ mise.toml .mise.toml mise.*.toml .mise.*.toml .mise/ mise/ .config/mise/ mise-tasks/ "
      ".mise-tasks/ .rtx.toml .rtx/ .tool-versions .asdfrc .asdf/ .prototools aqua.yaml .aqua/ bin/activate* "
      "bin/hermit .flox/ .nvmrc .node-version .python-version .ruby-version .java-version .go-version .php-version "
      ".perl-version .swift-version .terraform-version .sdkmanrc .rvmrc starship.toml .login_conf .pam_environment "
      "environment.d/ *.rc.d/ "
      // sessions and terminals
      ".xprofile .xsession .xsessionrc .xinitrc .xserverrc .xclients .xresources .xdefaults .xinputrc .xbindkeysrc* "
      ".sxhkdrc .config/sxhkd/ .config/i3/ .i3/ .config/sway/ .config/hypr/ .config/awesome/ .config/openbox/ "
      ".config/bspwm/ .xmonad/ .fluxbox/ .fvwm/ .icewm/ .stumpwmrc .conkyrc .xscreensaver .tmux.conf "
      ".tmux.conf.local .tmux/ .config/tmux/ .tmuxinator.yml .tmuxinator/ .tmuxp.* .smug.yml .screenrc .byobu/ "
      ".config/zellij/ .wezterm.lua wezterm.lua .config/wezterm/ .config/kitty/ .alacritty.* alacritty.toml "
      "alacritty.yml .config/alacritty/ .config/ghostty/ foot.ini .terminfo/";
});

constexpr auto kProgram = words([] {
  return
      // remote logins, mail, files and pages
      ".ssh/ .rhosts .shosts .k5login .k5users .gnupg/ .netrc .curlrc _curlrc .wgetrc .aria2/ aria2.conf .lftprc "
      ".lftp/ rclone.conf .aws/ .kube/ kubeconfig* .docker/ .forward .qmail .qmail-* .procmailrc .mailfilter "
      ".dovecot.sieve .mailcap .mailrc .muttrc .mutt/ .neomuttrc .config/mutt/ .config/neomutt/ .msmtprc .mbsyncrc "
      ".isyncrc .offlineimaprc .fetchmailrc .getmail/ .newsboat/ .config/newsboat/ .urlview .irssi/ .weechat/ "
      ".elinks/ .w3m/ .lesskey .config/lesskey .manpath .mostrc .config/ranger/ rifle.conf .config/lf/ lfrc "
      ".config/nnn/ .config/yazi/ .config/vifm/ .vifm/ vifmrc .mc.menu .config/mc/ .toprc .ackrc .ripgreprc "
      ".user.ini .htaccess php.ini .lnav/ "
      // version control beside git's own
      ".gitconfig .gitconfig.* git/config .tigrc .config/lazygit/ .lazygit.yml .sops.yaml .gpg-id .config/gh/ "
      ".gitreview .gitlint .githooks/ "
      ".git-hooks/ git-town.toml .git-town.toml .hgrc .hg/hgrc .hg/ .hgsub .svn/ .subversion/ .bzr/ .bazaar/ "
      "cvs/root .cvsrc .jj/ .jjconfig.toml .config/jj/ .sl/ _darcs/ .pijul/ .fslckout _fossil_ .fossil-settings/ "
      ".p4config .p4enviro .repo/ .arcconfig .arclint .arcrc "
      // database clients
      ".psqlrc .psqlrc-* .pg_service.conf .sqliterc .duckdbrc .my.cnf my.cnf .mylogin.cnf .mongorc.js .mongoshrc.js "
      ".usqlrc .myclirc .config/pgcli/ login.sql glogin.sql .redisclirc .cqlshrc cqlshrc .clickhouse-client* .hiverc "
      ".beeline/ .snowsql/ "
      // what plays and shows
      ".mpv/ .config/mpv/ mpv.conf .mplayer/ .config/vlc/ .mpdconf mpd.conf .ncmpcpp/ .config/cmus/ .cmus/ "
      ".config/beets/ yt-dlp.conf .yt-dlp/ .config/yt-dlp/ youtube-dl.conf .streamlinkrc .fehbg .config/zathura/ "
      "zathurarc delegates.xml .magick/ .config/gimp/ .config/inkscape/ .config/blender/ dosbox.conf rtorrent.rc "
      ".rtorrent.rc "
      // interpreters that one types into
      ".pythonrc .pythonrc.py .pythonstartup .ipython/ ipython_*config.py .jupyter/ jupyter_*config.* kernel.json "
      ".irbrc .pryrc .guile .racketrc .csirc .gambini .gaucherc .sbclrc .clisprc* .eclrc .ccl-init.lisp .abclrc "
      ".swank.lisp .config/swi-prolog/ .swiplrc .gprc .ammonite/ .jshellrc groovysh.profile .psysh.php .ocamlinit "
      ".utoprc .config/utop/ .ghci .tclshrc .wishrc .expect.rc .expectrc .replyrc .re.pl/ .rootrc rootlogon.c "
      "rootalias.c .gforthrc* .factor-rc .factor-boot-rc .maximarc maxima-init.* .gnuplot gnuplotrc .octaverc "
      "startup.m finish.m .scilab .gaprc .sage/ .config/bpython/ startup.jl";
});

constexpr auto kBuild = words([] {
  return
      // make, and what it takes from files beside it
      "makefile gnumakefile bsdmakefile makefile.* *.mk *.mak *.make .makerc mkfile imakefile kbuild kconfig "
      "kconfig.* .sparse configure configure.ac configure.in *.m4 autogen.sh bootstrap.sh config.site config.guess "
      "config.sub libtool ltmain.sh depcomp install-sh test-driver "
      // cmake, ninja, meson and others for C
      "cmakelists.txt *.cmake *.cmake.in cmakepresets.json cmakeuserpresets.json cmakesettings.json cmake-variants.* "
      "ctestcustom.ctest .cmake/ dartconfiguration.tcl "
      "build.ninja *.ninja meson.build meson.options meson_options.txt *.wrap sconstruct sconscript* site_scons/ "
      "wscript .waf* xmake.lua premake*.lua tupfile* tuprules.tup *.bff jamfile* jamroot* *.jam *.pro *.pri *.prf "
      ".qmake.conf .qmake.cache *.qbs build.gn .gn *.gn *.gni deps .gclient *.do conanfile.* vcpkg.json "
      "vcpkg-configuration.json west.yml .west/ platformio.ini platform.local.txt boards.local.txt sketch.yaml "
      "idf_component.yml .catkin_tools/ *.bb *.bbappend *.bbclass bblayers.conf *.qsf "
      // of many languages
      "build build.bazel *.bazel *.bzlmod workspace workspace.bazel module.bazel module.bazel.lock *.bzl *.bazelrc "
      ".bazelrc .bazelversion .bazeliskrc tools/bazel .bazelproject .ijwb/ .aswb/ *.star buck targets .buckconfig "
      ".buckconfig.* *.bxl pants.toml pants.*.toml .pants.rc .pants.bootstrap .plzconfig* earthfile dagger.json "
      ".dagger/ justfile .justfile *.just taskfile*.yml taskfile*.yaml makefile.toml maskfile.md runfile tusk.yml "
      "ahoy.yml .ahoy.yml toast.yml dobi.yaml mprocs.yaml process-compose.* procfile* .foreman .overmind.env "
      "pitchfork.toml modd.conf reflex.conf .air.toml air.toml .watchmanconfig supervisord.conf circus.ini .monitrc "
      "treefmt.toml .treefmt.toml buf.gen.* buf.yaml buf.work.yaml sqlc.yaml sqlc.yml sqlc.json atlas.hcl "
      "openapitools.json flyway.conf flyway.toml liquibase.properties cookiecutter.json copier.yml copier.yaml "
      ".copier-answers.yml pre_gen_project.* post_gen_project.* _templates/ doxyfile* book.toml book.json hugo.toml "
      "hugo.yaml hugo.json antora*.yml _config.yml _plugins/ .latexmkrc latexmkrc texmf.cnf texmf/ .arara.yaml "
      "araraconfig.yaml llmk.toml build.lua tectonic.toml config.asy .asy/ troffrc troffrc-end man.local .vale.ini "
      ".reviewdog.yml .trunk/ .qlty/ .mega-linter.yml cliff.toml cog.toml .gitchangelog.rc .goreleaser.* "
      "goreleaser.* jreleaser.yml .bumpversion.* .changeset/ dvc.yaml dvc.lock .dvc/ snakefile *.smk mlproject "
      // node, deno, bun
      "package.json package.json5 package.yaml "
      ".yarn/ .pnp.* .corepack.env .pnpmfile.* pnpfile.js deno.json "
      "deno.jsonc import_map.json bower.json .bowerrc binding.gyp *.gyp *.gypi *.config.js *.config.cjs "
      "*.config.mjs *.config.ts *.config.mts *.config.cts *.config.json *.conf.js *.conf.cjs *.conf.mjs *.conf.ts "
      ".*rc.js .*rc.cjs .*rc.mjs .*rc.ts .*rc.mts .*rc.cts .*rc.json .*rc.json5 .*rc.yaml .*rc.yml .*rc.toml "
      "vitest.workspace.* karma.conf.* wdio.conf.* protractor.conf* nightwatch.conf.* nightwatch.json cypress.json "
      "cypress/plugins/ cypress/support/ testem.js testem.json testem.yml jasmine.json .mocharc* mocha.opts .taprc "
      ".nycrc* .c8rc* .labrc* stryker.conf.* backstop.json lighthouserc* .lighthouserc* .storybook/ .vitepress/ "
      ".vuepress/ .eleventy.* webpack.* esbuild.js esbuild.mjs esbuild.cjs esbuild.ts gulpfile* gruntfile* gulpfile*/ "
      "gruntfile*/ .webpack/ jakefile* "
      "brocfile* ember-cli-build.* .ember-cli* brunch-config.* angular.json .angular-cli.json project.json "
      "workspace.json nx.json lerna.json turbo.json moon.yml .moon/ rush.json gatsby-node.* gatsby-browser.* "
      "gatsby-ssr.* quasar.conf* setupproxy.* setuptests.* config-overrides.js capacitor.config.* ionic.config.* "
      "electron-builder.* tauri.conf.* tauri.*.conf.* app.json eas.json nest-cli.json ng-package.json .meteor/ "
      ".babelrc* .swcrc* .parcelrc .postcssrc* .sassrc* .browserslistrc *tsconfig*.json jsconfig.json tslint.json "
      "tslint.yaml tslint.js .eslintrc* .oxlintrc* biome.json* .biome.json* dprint.json* .dprint.json* .prettierrc* "
      ".stylelintrc* .textlintrc* .remarkrc* .markdownlint.* .markdownlint-cli2.* .markdownlintrc .pug-lintrc* "
      ".xo-config* .jscsrc .secretlintrc* .dependency-cruiser.* knip.json* knip.js knip.ts cspell.* .cspell.* "
      ".commitlintrc* .czrc .cz.* .cz-config.* .versionrc* .releaserc* .release-it.* .autorc .np-config.* .ncurc* "
      ".syncpackrc* .lintstagedrc* .huskyrc* simple-git-hooks.* .simple-git-hooks.* nano-staged.* .nano-staged.* "
      "nodemon.json ecosystem.json pm2.json node.config.json api-extractor.json typedoc.json jsdoc.json .jsdoc.json "
      "jsdoc.conf* codegen.yml codegen.yaml codegen.ts codegen.json .graphqlrc* *.prisma knexfile.* ormconfig.* "
      ".sequelizerc plopfile.* .hygen.js .yo-rc.json .adonisrc.json adonisrc.ts .sailsrc wrangler.toml "
      "wrangler.json* netlify.toml .netlify/ vercel.json .vercel/ firebase.json .firebaserc serverless.yml "
      "serverless.yaml serverless.ts serverless.js serverless.json bsconfig.json rescript.json spago.yaml "
      "spago.dhall packages.dhall elm.json elm-package.json elm-tooling.json reviewconfig.elm "
      // python
      "setup.py setup.cfg pyproject.toml conftest.py pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini "
      "tox.toml toxfile.py noxfile.py tasks.py tasks/__init__.py poe_tasks.* .importlinter invoke.yaml invoke.yml "
      ".invoke.* fabfile.py fabfile/ "
      "fabric.yml dodo.py "
      "pavement.py duties.py .pypirc .pydistutils.cfg distutils.cfg pyvenv.cfg requirements*.txt "
      "requirements*.in requirements/*.txt constraints*.txt pipfile* poetry.toml "
      "pdm.toml .pdm-python .pdm-build/ hatch.toml hatch_build.py pixi.toml "
      "environment.yml environment.yaml meta.yaml .condarc condarc buildout.cfg "
      ".coveragerc* .pylintrc pylintrc .pylintrc.toml .flake8 mypy.ini .mypy.ini .pyre_configuration pyrefly.toml "
      "ty.toml .ruff.toml ruff.toml .prospector.* .noserc nose.cfg nose2.cfg unittest.cfg behave.ini .behaverc "
      "features/environment.py robot.toml .robot.toml lit.cfg lit.cfg.py lit.*.cfg lit.*.cfg.py locustfile.py "
      "locust.conf .locust.conf asv.conf.json "
      "gunicorn.conf.py celeryconfig.py alembic.ini alembic/env.py mkdocs.yml mkdocs.yaml conf.py "
      ".readthedocs.* readthedocs.yml pelicanconf.py publishconf.py *.lektorproject *.spec "
      "dbt_project.yml packages.yml airflow.cfg prefect.yaml prefect.toml dagster.yaml bentofile.yaml "
      "zappa_settings.* .chalice/ samconfig.* "
      // ruby, php, perl
      "rakefile* *.rake gemfile* gems.rb *.gemspec .bundle/ .rspec* spec_helper.rb "
      "rails_helper.rb support/env.rb cucumber.yml .simplecov config.ru guardfile thorfile *.thor capfile appraisals "
      "steepfile sorbet/config brewfile vagrantfile dangerfile* berksfile puppetfile policyfile.rb knife.rb .chef/ "
      "kitchen.yml .kitchen*.yml .rubocop* .standard.yml .erb-lint.yml .erb_lint.yml .haml-lint.yml .yardopts "
      ".pronto.yml .railsrc .byebugrc .overcommit.yml bridgetown.config.yml composer.json "
      "vendor/autoload.php vendor/composer/ vendor/bin/ phpunit*.xml* phpstan*.neon* .phpstan* psalm*.xml* "
      "phpcs.xml* .phpcs.xml* .php-cs-fixer* .php_cs* rector.php ecs.php .phan/ captainhook.json grumphp.yml* "
      "infection.json* behat.yml* behat.php phpspec.yml* codeception*.yml pest.php box.json* scoper.inc.php "
      "robo.yml robofile.php deploy.php castor.php .castor/ phinx.php phinx.yml phinx.yaml phinx.json wp-cli*.yml "
      "envoy.blade.php phive.xml .ddev/ .lando* cpanfile* makefile.pl build.pl dist.ini weaver.ini minil.toml "
      "alienfile .proverc .perldb .perlcriticrc .perltidyrc "
      // rust, go, swift, zig and their like
      "build.rs .cargo/ cargo.toml rust-toolchain rust-toolchain.toml nextest.toml cross.toml trunk.toml "
      "dioxus.toml bacon.toml dylint.toml mutants.toml tarpaulin.toml .tarpaulin.toml embed.toml .embed.toml "
      "cargo-generate.toml .cargo-husky/ go.mod go.work vendor/modules.txt .golangci.* "
      ".custom-gcl.* magefile.go magefiles/ gqlgen.yml .mockery.* .ko.yaml package.swift package@swift-*.swift "
      "package.resolved .swiftpm/ mintfile project.yml project.swift workspace.swift tuist/ cartfile* podfile* "
      "*.podspec fastfile appfile deliverfile matchfile gymfile pluginfile fastlane/ *.xcodeproj/ *.xcworkspace/ "
      "*.pbxproj *.xcconfig sourcery.yml .sourcery.yml swiftgen.yml build.zig build.zig.zon shard.yml shard.lock "
      "*.nimble *.nims nim.cfg *.nim.cfg nimble.lock nimble.paths dub.json dub.sdl dub.selections.json v.mod "
      "alire.toml *.gpr fpm.toml fpmake.pp *.lpk *.dproj fpc.cfg .fpc.cfg foundry.toml truffle-config.* truffle.js "
      "brownie-config.yaml ape-config.yaml slither.config.json anchor.toml scarb.toml move.toml nargo.toml *.hxml "
      // java and .NET
      "build.gradle* settings.gradle* *.gradle *.gradle.kts gradle.properties *.versions.toml gradlew gradlew.bat "
      "gradle/ .gradle/ buildsrc/ build-logic/ local.properties pom.xml pom.rb pom.groovy pom.scala pom.yml pom.yaml "
      "pom.json mvnw mvnw.cmd .mvn/ .m2/ .mavenrc build.xml build.properties ivy.xml ivysettings.xml .ant/ .antrc "
      "build.sbt *.sbt .sbtopts .sbtrc .jvmopts project/*.scala project/build.properties build.sc build.mill *.mill "
      ".mill-version .mill-jvm-opts .mill-opts bleep.yaml project.scala .scala-build/ .scalafix.conf .scalafmt.conf "
      "project.clj profiles.clj .lein-* .lein/ .clojure/ build.boot boot.properties deps.edn bb.edn nbb.edn "
      "tests.edn shadow-cljs.edn *.cljs.edn build.clj user.clj data_readers.clj* jbang.properties jbang-catalog.json "
      ".jbang/ testng.xml junit-platform.properties meta-inf/services/ *.csproj *.fsproj *.vbproj *.vcxproj *.proj "
      "*.sqlproj *.shproj *.wixproj *.esproj *.pyproj *.njsproj *.dcproj *.projitems *.csproj.user *.vcxproj.user "
      "*.sln *.slnx *.slnf *.props *.targets *.tasks *.rsp *.tt *.nuspec *.runsettings nuget.config packages.config "
      "global.json dotnet-tools.json launchsettings.json paket.* .paket/ *.cake cake.config "
      ".nuke/ psakefile.ps1 *.build.ps1 "
      // elixir, haskell, ocaml, lisps, proof assistants
      "mix.exs config/*.exs test_helper.exs .formatter.exs .credo.exs .iex.exs rebar.config* "
      "*.app.src *.app.src.script relx.config* sys.config* vm.args* elvis.config emakefile .erlang gleam.toml "
      "setup.hs setup.lhs *.cabal cabal.project* cabal.config .cabal/ stack*.yaml .stack/ .ghcid .ghc.environment.* "
      ".hspec shakefile* build.hs dune dune-project dune-workspace *.opam opam *.opam.template opam.locked _tags "
      "myocamlbuild.ml omakefile omakeroot jbuild findlib.conf *.asd qlfile eldev eldev-local cask eask keg guix.scm "
      "manifest.scm _coqproject lakefile.* lean-toolchain lake-manifest.json *.agda-lib *.ipkg "
      // julia, R, lua, dart, tcl
      "manifest.toml juliaproject.toml localpreferences.toml deps/build.jl .julia/ .rprofile .renviron rprofile.site "
      "renv.lock renv/ packrat/ .rdata .lintr _targets.r _targets.yaml _drake.r _pkgdown.yml _quarto.* _bookdown.yml "
      "makevars makevars.* configure.win .luacheckrc .luacov .busted config.ld *.rockspec .luarocks/ luarocks.lock "
      "tlconfig.lua config.nims pubspec.yaml pubspec_overrides.yaml build.yaml dart_test.yaml "
      ".dart_tool/ .flutter-plugins* .packages melos.yaml .fvmrc .fvm/ mason.yaml pkgindex.tcl tclindex "
      // machines and containers
      "dockerfile* *.dockerfile containerfile* docker-compose* compose.*yml compose.*yaml *.compose.yml "
      "*.compose.yaml podman-compose* docker-stack* docker-bake.* mkosi.conf mkosi.conf.d/ distrobox.ini *.hcl *.tf "
      "*.tf.json *.tofu .terraform/ .terraformrc terraform.rc .tofurc *.pkr.json atlantis.yaml .spacelift/ "
      "pulumi.yaml pulumi.*.yaml cdk.json cdktf.json ansible.cfg .ansible.cfg .ansible/ .ansible-lint* galaxy.yml "
      "requirements.yml group_vars/ host_vars/ action_plugins/ callback_plugins/ connection_plugins/ filter_plugins/ "
      "inventory_plugins/ lookup_plugins/ vars_plugins/ molecule.yml helmfile.yaml helmfile.yml helmfile.yaml.gotmpl "
      "helmfile.d/ chart.yaml plugin.yaml kustomization.* kustomization skaffold.* tiltfile tilt_config.json "
      "devspace.yaml garden.yml *.garden.yml okteto.yml okteto.yaml werf*.yaml jsonnetfile.json default.nix "
      "shell.nix flake.nix devenv.nix devenv.local.nix devenv.yaml devenv.lock .devenv/ devbox.json "
      "devbox.lock .gitpod.yml .replit spack.yaml snapcraft.yaml nfpm.yaml appimagebuilder.yml pkgbuild apkbuild "
      "*.ebuild *.eclass debian/ .rpmmacros .quiltrc .devscripts .sbuildrc .pbuilderrc .dput.cf gbp.conf .gbp.conf "
      ".makepkg.conf makepkg.conf .reportbugrc fly.toml render.yaml railway.json railway.toml heroku.yml "
      "nixpacks.toml project.toml app.yaml "
      // CI, and what runs before a commit
      ".github/workflows/ .github/actions/ action.yml action.yaml dependabot.yml dependabot.yaml renovate.json* "
      ".renovaterc* .gitlab-ci* .gitlab/ .circleci/ circle.yml jenkinsfile* *.jenkinsfile .jenkins/ .travis.yml "
      "azure-pipelines* .azure-pipelines/ .azuredevops/ .vsts* bitbucket-pipelines.yml .drone.* .woodpecker* "
      ".buildkite/ .forgejo/ .gitea/ .woodpecker/ appveyor.yml .appveyor.yml cloudbuild.* buildspec*.yml "
      "buildspec*.yaml "
      "appspec.yml .cirrus.* .semaphore/ .tekton/ .teamcity/ .taskcluster.yml .zuul.* .zuul.d/ zuul.yaml zuul.d/ "
      ".builds/ .build.yml .scrutinizer.yml codeship-* wercker.yml shippable.yml bitrise.yml codemagic.yaml "
      "appcenter-*.sh ci_scripts/ .space.kts .harness/ *.gocd.yaml screwdriver.yaml .vela.* .copr/ .packit.* "
      "packit.yaml .ci-operator.yaml .prow.yaml .mergify.yml bors.toml .kodiak.toml .codeclimate.yml .lgtm.yml "
      ".pre-commit-* prek.toml hk.pkl .husky/ .lefthook* lefthook* .lefthook/ .lefthook-local/ .onedev-buildspec.yml "
      ".rwx/ .agola/ rusty-hook.toml "
      ".rusty-hook.toml";
});

// Pins what package managers fetch, or keeps them from running it; without them they take what is newest.
constexpr auto kPins = words([] {
  return "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock* deno.lock .npmrc .yarnrc* "
         "pnpm-workspace.yaml bunfig.toml .bunfig.toml poetry.lock uv.lock uv.toml pdm.lock pylock.toml pylock.*.toml "
         "pixi.lock "
         "conda-lock.yml pip.conf pip.ini cargo.lock go.sum go.work.sum gems.locked .gemrc composer.lock symfony.lock "
         "mix.lock rebar.lock flake.lock pubspec.lock packages.lock.json gemfile.lock";
});

constexpr auto kMade = words([] {
  return ".*.cmd .depend .depends *.depend *.d *.dep .deps/ *.o *.obj *.lo *.a *.lib *.la *.gch *.pch *.pcm "
         "config.cache config.status cmakecache.txt cmakefiles/ .ninja_deps .ninja_log meson-private/ meson-info/ "
         ".sconsign* .sconf_temp/ .lock-waf* *.rlib *.rmeta *.syso *.hi *.dyn_hi *.cmi *.cmo *.cmx *.cma *.cmxa *.cmxs "
         "*.swiftmodule *.egg-info/ *.dist-info/ *.egg-link .eggs/";
});

constexpr auto kAutostart = words([] {
  return
      // the machine's own services and sessions
      "*.service *.socket *.timer *.path *.mount *.automount *.target *.slice *.container *.kube systemd/ *.desktop "
      "autostart/ crontab* .crontab anacrontab cron.d/ cron.daily/ cron.hourly/ cron.weekly/ cron.monthly/ incron.d/ "
      "*.plist launchagents/ launchdaemons/ udev/ *.rules .dbus-1/ dbus-1/ polkit-1/ init.d/ rc.local inittab "
      "inetd.conf xinetd.d/ profile.d/ update-motd.d/ xsession.d/ xinitrc.d/ pam.d/ sudoers sudoers.d/ ld.so.preload "
      "ld.so.conf ld.so.conf.d/ modprobe.d/ modules-load.d/ tmpfiles.d/ binfmt.d/ sysctl.d/ if-up.d/ if-down.d/ "
      "if-pre-up.d/ if-post-down.d/ dispatcher.d/ postinst.d/ preinst.d/ postrm.d/ prerm.d/ apt.conf apt.conf.d/ "
      "sources.list sources.list.d/ yum.repos.d/ pacman.conf *.hook logrotate.conf logrotate.d/ initramfs-tools/ "
      "dracut.conf.d/ grub.d/ .local/bin/ .local/lib/ .local/share/applications/ gnome-shell/ nautilus/scripts/ "
      "nautilus-python/ autorun.inf "
      // what interpreters load by themselves, the compiled in the place of a source beside it
      "sitecustomize.* usercustomize.* sitecustomize/ usercustomize/ *.pth *._pth *.pyc *.pyo *.pyd *.so *.so.* *.dll "
      "*.dylib *.node *.ko *.class "
      "*.jar *.war *.phar *.beam *.elc *.eln *.zwc *.luac *.fasl *.zo *.egg";
});

constexpr auto kDependency = words([] {
  return "node_modules/ .venv/ venv/bin/ env/bin/ virtualenv/bin/ site-packages/ dist-packages/ bower_components/ "
         "jspm_packages/ __pypackages__/ "
         "vendor/bundle/ .tox/ .nox/ _opam/ elm-stuff/ carthage/ .pnpm-store/ target/debug/ target/release/ _build/ "
         "dist-newstyle/ .stack-work/ .build/ .zig-cache/ zig-cache/ zig-out/";
});

constexpr Known kKnown[] = {
    {Hazard::agent, "configures an agent", kAgent, "takes away an agent's configuration"},
    {Hazard::prompt, "instructs agents", kPrompt},
    {Hazard::editor, "an editor or debugger obeys it", kEditor},
    {Hazard::shell, "a shell or login program obeys it", kShell},
    {Hazard::shell, "a program of the host obeys it", kProgram},
    {Hazard::build, "build, test or CI tools run it", kBuild},
    {Hazard::build, "build, test or CI tools obey it", kPins, "takes away what pins or holds back what is fetched"},
    {Hazard::build, "build tools take it for what they made", kMade},
    {Hazard::dependency, "is code of a dependency or a build, which programs load or run", kDependency},
    {Hazard::autostart, "is started or loaded by itself", kAutostart},
};

}  // namespace

std::span<const Known> known_names() {
  return kKnown;
}

std::span<const std::string_view> dependency_trees() {
  return kDependency;
}

}  // namespace alos::workspace
