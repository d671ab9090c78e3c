#!/usr/bin/env -S node --conditions=@kumiko/source
import { failureOf, runProgram } from '@kumiko/terminal'
import { createProgram } from './program.ts'

await runProgram(createProgram(), (error) => failureOf('kumiko-chat', error))
