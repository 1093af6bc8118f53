import * as z from 'zod';

import { limits } from './generated/constants.js';

/** A text of 1 to 128 characters. The hub counts characters; JavaScript's `length` counts halves of surrogate pairs. */
export const identifier = /* @__PURE__ */ (() => z.string().min(1).refine(
  (text) => text.length <= limits.identifierCharactersMax || [...text].length <= limits.identifierCharactersMax,
  { error: `must have at most ${limits.identifierCharactersMax} characters` },
))();
