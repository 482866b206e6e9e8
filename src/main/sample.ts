import { createReadStream } from 'node:fs';
import { zipFolder } from '../cli/zip-folder.ts';
import { AvkError } from '../domain/errors.ts';
import type { InstanceView } from '../services/application-manager/view.ts';
import type { Platform } from './start.ts';
