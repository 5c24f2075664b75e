#!/usr/bin/env node
import { command } from "./node/command.ts";

process.exitCode = await command(process.argv.slice(2), process.env);
