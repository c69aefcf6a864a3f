# The commands of the project. All of them use the project's own Deno, see build/deno.

SHELL = bash
CMD = ls /
deno = build/deno run -A
export NAME VERSION BASE_IMAGE PLATFORM REGISTRY BASES PLATFORMS REBUILD CHECK

.PHONY: help run test build release binaries clean

help: ## This table
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

run: ## A container of the image runs CMD="ls /" under my_init; what is missing is fetched and built
	@$(deno) build/run.ts -- $(CMD)

test: ## What must pass before a commit: formatting, lint, types, shellcheck and all tests
	@$(deno) tests/run.ts

build: ## The image, as NAME=baseimage, VERSION=1.0.0, from BASE_IMAGE=ubuntu:16.04, for PLATFORM=linux/amd64
	@$(deno) build/image.ts

release: ## The images on all bases, pushed to REGISTRY=example.com/joe; dist/release/ with what belongs to them
	@$(deno) build/release.ts

binaries: ## dist/my_init and dist/setuser for this machine
	@$(deno) build/programs.ts

clean: ## Removes what was built and fetched, but no docker image
	rm -rf dist .cache
