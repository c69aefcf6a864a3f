# The commands of the project. All of them use the project's own Deno, see tools/deno.

SHELL = bash
CMD = ls /
deno = tools/deno run -A
export NAME VERSION BASE_IMAGE

.PHONY: help run test build binaries ok clean

help: ## This table
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

run: ## A container of the image runs CMD="ls /" under my_init; what is missing is fetched and built
	@$(deno) tools/run.ts -- $(CMD)

test: ## All tests; the last line says how many passed and failed
	@$(deno) tools/tests.ts

build: ## The image, as NAME=baseimage, VERSION=1.0.0, from BASE_IMAGE=ubuntu:16.04
	@$(deno) tools/image.ts

binaries: ## dist/my_init and dist/setuser for this machine
	@$(deno) tools/build.ts

ok: ## What must pass before a commit: formatting, lint, types, shellcheck and all tests
	@tools/deno task ok

clean: ## Removes what was built and fetched, but no docker image
	rm -rf dist .cache
