# SPDX-License-Identifier: Apache-2.0
# GNU make. `make help` lists the targets; `make V=1` shows the commands.
# CFLAGS, CPPFLAGS and LDFLAGS of yours come behind ours and never replace them.

# TPDOCKER_BUILD tells the images of several trees on one machine apart ("-mine").
VERSION := 0.1.0$(TPDOCKER_BUILD)

PREFIX  ?= /usr/local
DESTDIR ?=
INSTALL ?= install

# Where distributions, and the programs that look there, expect things.
BINDIR     ?= $(PREFIX)/bin
DATADIR    ?= $(PREFIX)/share
LIBEXECDIR ?= $(PREFIX)/libexec
DOCDIR     ?= $(DATADIR)/doc/tpdocker
MANDIR     ?= $(DATADIR)/man
PLUGINDIR  ?= $(LIBEXECDIR)/docker/cli-plugins
BASHDIR    ?= $(DATADIR)/bash-completion/completions
FISHDIR    ?= $(DATADIR)/fish/vendor_completions.d
# Debian's zsh looks for what its packages bring in a folder of Debian's own.
ZSHDIR     ?= $(DATADIR)/zsh/$(if $(and $(filter /usr,$(PREFIX)),$(wildcard /etc/debian_version)),vendor-completions,site-functions)

# Where everything that is built goes; one folder below it for each variant.
BUILD   ?= build
VARIANT ?= release
O       := $(BUILD)/$(VARIANT)

FUZZ_SECONDS ?= 20

ifeq ($(V),1)
Q   :=
say  =
else
Q   := @
say  = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

# ---------------------------------------------------------------- flags

ifeq ($(VARIANT),fuzz)
CC := clang
endif

machine := $(shell $(CC) -dumpmachine 2>/dev/null)

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	    -Wpointer-arith -Wundef

harden := -fstack-protector-strong -D_FORTIFY_SOURCE=2
harden += $(if $(filter x86_64% i686%,$(machine)),-fcf-protection -fstack-clash-protection)
harden += $(if $(filter aarch64%,$(machine)),-mbranch-protection=standard -fstack-clash-protection)

sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# Nothing unwinds its stack: tables for that would be an eighth of the program. A debugger has those of -g.
flags_release := -Os -g -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables $(harden)
flags_san     := -O1 -g $(sanitize)
flags_fuzz    := -O1 -g $(sanitize) -fsanitize=fuzzer-no-link
link_release  := -Wl,--gc-sections
link_san      := $(sanitize)
link_fuzz     := $(sanitize)

tp_cppflags = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DTP_VERSION='"$(VERSION)"' -Ihelper -Isidecar-image
tp_cflags   = -std=c11 -pthread -fPIE $(warnings) $(flags_$(VARIANT))
tp_ldflags  = -pthread -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(link_$(VARIANT))

# Libraries of the helper alone; asked for only when something needs them, so
# that the programs of the sidecar image build without pkg-config.
packages     := libcurl yajl libssh libarchive yaml-0.1
pkg_cflags    = $(eval pkg_cflags := $$(shell pkg-config --cflags $(packages)))$(pkg_cflags)
pkg_libs      = $(eval pkg_libs := $$(shell pkg-config --libs $(packages)))$(pkg_libs)
cmocka_cflags = $(eval cmocka_cflags := $$(shell pkg-config --cflags cmocka))$(cmocka_cflags)
cmocka_libs   = $(eval cmocka_libs := $$(shell pkg-config --libs cmocka))$(cmocka_libs)

# -------------------------------------------------------------- sources

helper_src  := $(filter-out helper/main.c,$(sort $(shell find helper -name '*.c' 2>/dev/null)))
base_src    := $(filter-out helper/base/json.c,$(sort $(wildcard helper/base/*.c)))
shared_src  := sidecar-image/common/method.c sidecar-image/common/nameline.c sidecar-image/common/netfiles.c
common_src  := $(sort $(wildcard sidecar-image/common/*.c))
names_src   := $(sort $(wildcard sidecar-image/names/*.c))
engine_src  := $(sort $(wildcard sidecar-image/engine/*.c))
sidecar_src := $(sort $(wildcard sidecar-image/sidecar/*.c))
agent_src   := $(sort $(wildcard sidecar-image/agent/*.c))
gate_src    := $(sort $(wildcard sidecar-image/gate/*.c))
image_src   := $(filter-out %/main.c %/gate.c,$(common_src) $(engine_src) $(names_src) $(sidecar_src) $(agent_src) $(gate_src))

test_src := $(sort $(wildcard tests/unit/test_*.c))
fuzz_src := $(sort $(wildcard tests/fuzz/fuzz_*.c))

objects = $(patsubst %.c,$(O)/%.o,$(1))

libtpdocker := $(O)/libtpdocker.a
libtpbase   := $(O)/libtpbase.a
libtpimage  := $(O)/libtpimage.a

# A folder with nothing in it yet is no error: its program is left out.
helper_program   := $(if $(wildcard helper/main.c),$(O)/tpdocker)
sidecar_program  := $(if $(sidecar_src),$(O)/tpdocker-sidecar)
agent_program    := $(if $(agent_src),$(O)/tpdocker-agent)
gate_program     := $(if $(gate_src),$(O)/gate)
unit_programs    := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(test_src))
replay_programs  := $(patsubst tests/fuzz/fuzz_%.c,$(O)/tests/fuzz/replay_%,$(fuzz_src))
fuzz_programs    := $(patsubst tests/fuzz/fuzz_%.c,$(O)/tests/fuzz/fuzz_%,$(fuzz_src))

install_dirs := $(BINDIR) $(PLUGINDIR) $(MANDIR)/man1 $(BASHDIR) $(ZSHDIR) $(FISHDIR) $(DOCDIR)

# -------------------------------------------------------------- targets

.PHONY: all sidecar-programs check-unit check-san images cluster cluster-down demo test bench \
	lint format fuzz install uninstall clean help libraries test-libraries unit-programs \
	run-unit run-san run-fuzz version

all: libraries $(helper_program) $(libtpdocker) sidecar-programs ## build tpdocker and the programs of the sidecar image

sidecar-programs: $(sidecar_program) $(agent_program) $(gate_program) ## build the programs of the sidecar image (needs gcc, make and libc6-dev; musl-tools make the gate small)

check-unit: ## run the unit tests (T="test_buf ..." for some of them)
	$(Q)$(MAKE) --no-print-directory VARIANT=release run-unit

check-san: ## run the unit tests and the fuzzers' corpora under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory VARIANT=san run-san

fuzz: ## run each fuzzer for FUZZ_SECONDS (20) seconds; needs clang
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz run-fuzz

build_arg = $(if $(TPDOCKER_BUILD),--build-arg TPDOCKER_BUILD)

images: ## build the container images tpdocker/sidecar and tpdocker/tpdocker
	tests/setup/packages engine
	tests/setup/engine
	tests/setup/base-image
	docker build $(build_arg) -t tpdocker/sidecar:$(VERSION) -f sidecar-image/Dockerfile .
	@if [ -e Dockerfile ]; then \
		echo docker build $(build_arg) -t tpdocker/tpdocker:$(VERSION) .; \
		docker build $(build_arg) -t tpdocker/tpdocker:$(VERSION) .; \
	else \
		echo 'no Dockerfile yet: tpdocker/tpdocker is left out'; \
	fi

cluster: ## start the Kubernetes cluster of the tests on this machine
	tests/cluster/up

cluster-down: ## stop it
	tests/cluster/down

demo: ## show tpdocker at work, from nothing
	tests/setup/packages build test engine cluster
	tests/demo

test: ## run every test: unit, images, end to end
	tests/setup/packages build test engine cluster
	tests/run

bench: ## measure
	tests/setup/packages build test engine cluster bench
	tests/bench/run

c_files = $(shell find helper sidecar-image tests/unit tests/fuzz -name '*.[ch]' 2>/dev/null)
scripts = $(shell find tests sidecar-image compose -type f 2>/dev/null | xargs awk 'FNR > 1 { nextfile } /^\#!.*[/ ](ba|da)?sh$$/ { print FILENAME }')

lint: ## check layout, C (cppcheck) and scripts (shellcheck)
	clang-format --dry-run -Werror $(c_files)
	cppcheck --quiet --error-exitcode=1 --std=c11 --language=c --inline-suppr \
		--enable=warning,performance,portability --suppress=missingIncludeSystem \
		--suppress='*:/usr/include/*' -D_GNU_SOURCE \
		'-DTP_VERSION="$(VERSION)"' -Ihelper -Isidecar-image helper sidecar-image
	$(if $(strip $(scripts)),shellcheck -x $(scripts))

format: ## lay out the C files
	clang-format -i $(c_files)

completions := $(addprefix $(O)/completion/,bash zsh fish)
$(completions): $(O)/completion/%: $(helper_program)
	@mkdir -p $(@D)
	$(Q)$< completion $* >$@.new && mv $@.new $@

# Man pages are not there where only the program's sources are (Dockerfile).
install: all $(completions) ## install below PREFIX (/usr/local), stripped; DESTDIR is put in front
	$(INSTALL) -d $(foreach d,$(install_dirs),'$(DESTDIR)$(d)')
	$(INSTALL) -s -m 755 $(O)/tpdocker '$(DESTDIR)$(BINDIR)/tpdocker'
	ln -srf '$(DESTDIR)$(BINDIR)/tpdocker' '$(DESTDIR)$(PLUGINDIR)/docker-tpdocker'
	@if [ -e docs/tpdocker.1 ]; then \
		$(INSTALL) -m 644 docs/tpdocker.1 '$(DESTDIR)$(MANDIR)/man1/tpdocker.1' && \
		ln -sf tpdocker.1 '$(DESTDIR)$(MANDIR)/man1/docker-tpdocker.1'; \
	fi
	$(INSTALL) -m 644 $(O)/completion/bash '$(DESTDIR)$(BASHDIR)/tpdocker'
	$(INSTALL) -m 644 $(O)/completion/zsh '$(DESTDIR)$(ZSHDIR)/_tpdocker'
	$(INSTALL) -m 644 $(O)/completion/fish '$(DESTDIR)$(FISHDIR)/tpdocker.fish'
	$(INSTALL) -m 644 LICENSE '$(DESTDIR)$(DOCDIR)/LICENSE'
	@$(if $(DESTDIR)$(filter /usr /usr/local,$(PREFIX)),,echo 'docker does not look for plugins below $(PREFIX). To have `docker tpdocker`:'; \
		echo '  mkdir -p ~/.docker/cli-plugins && ln -sf $(abspath $(BINDIR))/tpdocker ~/.docker/cli-plugins/docker-tpdocker')

# As far up as nothing else is in them, folders go as well; but not those of a
# system, where empty ones have their place.
uninstall: ## remove what install put there
	rm -f '$(DESTDIR)$(BINDIR)/tpdocker' '$(DESTDIR)$(PLUGINDIR)/docker-tpdocker' \
		'$(DESTDIR)$(MANDIR)/man1/tpdocker.1' '$(DESTDIR)$(MANDIR)/man1/docker-tpdocker.1' \
		'$(DESTDIR)$(BASHDIR)/tpdocker' '$(DESTDIR)$(ZSHDIR)/_tpdocker' \
		'$(DESTDIR)$(FISHDIR)/tpdocker.fish' '$(DESTDIR)$(DOCDIR)/LICENSE'
	@top='$(or $(DESTDIR),$(filter-out /usr /usr/local,$(PREFIX)))'; \
	for d in $(foreach d,$(install_dirs),'$(DESTDIR)$(d)'); do \
		case $$d in "$${top:-//}"/?*) ;; *) continue ;; esac; \
		d=$${d#"$$top"}; while [ "$${d#/}" != "$$d" ]; do d=$${d#/}; done; \
		(cd "$$top" 2>/dev/null && rmdir -p --ignore-fail-on-non-empty "$$d" 2>/dev/null) || true; \
	done; rmdir '$(DESTDIR)$(DOCDIR)' 2>/dev/null || true

version: ## print the version
	@echo '$(VERSION)'

clean: ## remove everything built
	rm -rf $(BUILD)/release $(BUILD)/san $(BUILD)/fuzz
	-rmdir $(BUILD) 2>/dev/null || true

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

# ----------------------------------------------------- what must be there

libraries:
	@command -v pkg-config >/dev/null || { \
		echo 'make: pkg-config is not installed. Run: tests/setup/packages build' >&2; exit 1; }
	@missing=; for p in $(packages); do \
		pkg-config --exists $$p || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		echo "make: the development files of these libraries are missing:$$missing" >&2; \
		echo 'make: run: tests/setup/packages build' >&2; \
		echo 'make: or:  apt-get install gcc make pkg-config libcurl4-openssl-dev libyajl-dev libssh-dev libarchive-dev libyaml-dev' >&2; \
		exit 1; \
	fi

test-libraries: libraries
	@pkg-config --exists cmocka || { \
		echo 'make: cmocka is missing. Run: tests/setup/packages build test (or: apt-get install libcmocka-dev)' >&2; \
		exit 1; }

# ------------------------------------------------------------ how to build

# Everything of the helper but base sees the libraries' headers.
$(call objects,$(filter-out $(base_src),$(helper_src)) helper/main.c): tp_cppflags += $(pkg_cflags)
$(call objects,$(filter-out $(base_src),$(helper_src)) helper/main.c): | libraries
$(call objects,$(test_src)): tp_cppflags += $(pkg_cflags) $(cmocka_cflags) -Itests/unit
$(call objects,$(test_src)): | test-libraries
$(call objects,$(fuzz_src)): tp_cppflags += $(pkg_cflags)

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(tp_cppflags) $(CPPFLAGS) $(tp_cflags) $(CFLAGS) -MMD -MP -c -o $@ $<

$(libtpdocker): $(call objects,$(helper_src) $(shared_src))
$(libtpbase): $(call objects,$(base_src))
$(libtpimage): $(call objects,$(image_src))
$(libtpdocker) $(libtpbase) $(libtpimage):
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@.new && $(AR) rcs $@.new $^ && mv $@.new $@

link = $(CC) $(tp_ldflags) $(tp_cflags) $(CFLAGS) $(LDFLAGS) -o $@

$(O)/tpdocker: $(O)/helper/main.o $(libtpdocker)
	$(call say,LINK,$@)
	$(Q)$(link) $^ $(pkg_libs) $(LDLIBS)

$(O)/tpdocker-sidecar: $(call objects,$(sidecar_src) $(common_src) $(engine_src) $(names_src)) $(libtpbase)
	$(call say,LINK,$@)
	$(Q)$(link) $^ $(LDLIBS)

$(O)/tpdocker-agent: $(call objects,$(agent_src) $(common_src) $(engine_src)) $(libtpbase)
	$(call say,LINK,$@)
	$(Q)$(link) $^ $(LDLIBS)

# The entry gate runs in images of every kind, so it is static; with musl it is 20 KB, with glibc 700.
gate_cc    := $(if $(filter release,$(VARIANT)),$(or $(shell command -v musl-gcc),$(CC)),$(CC))
gate_flags := $(if $(filter release,$(VARIANT)),-Os -static -s $(harden),$(flags_$(VARIANT)) $(link_$(VARIANT)))

$(O)/gate: $(gate_src) $(wildcard sidecar-image/gate/*.h) sidecar-image/common/gate.h sidecar-image/common/inject.h Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(gate_cc) -D_GNU_SOURCE -Isidecar-image -std=c11 $(warnings) $(gate_flags) -o $@ $(gate_src)

$(O)/tests/unit/test_names: LDLIBS += -lresolv

$(unit_programs): %: %.o $(libtpimage) $(libtpdocker)
	$(call say,LINK,$@)
	$(Q)$(link) $^ $(pkg_libs) $(cmocka_libs) $(LDLIBS)

$(replay_programs): $(O)/tests/fuzz/replay_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay.o $(libtpimage) $(libtpdocker)
	$(call say,LINK,$@)
	$(Q)$(link) $^ $(pkg_libs) $(LDLIBS)

$(fuzz_programs): %: %.o $(libtpimage) $(libtpdocker)
	$(call say,LINK,$@)
	$(Q)$(link) -fsanitize=fuzzer $^ $(pkg_libs) $(LDLIBS)

# ------------------------------------------------------------ how to check

chosen = $(if $(T),$(patsubst %,$(O)/tests/unit/%,$(basename $(notdir $(T)))),$(unit_programs))

unit-programs: $(chosen) $(gate_program)

run-unit: unit-programs
	$(Q)tests/unit/run $(chosen)

run-san: unit-programs $(if $(T),,$(replay_programs))
	$(Q)export ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1 \
		UBSAN_OPTIONS=print_stacktrace=1; \
	tests/unit/run $(chosen) $(if $(T),,$(replay_programs))

run-fuzz: $(fuzz_programs)
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(O)/corpus $(fuzz_programs)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
