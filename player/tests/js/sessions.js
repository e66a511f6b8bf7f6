// What the glue does with what the core asks for. Events and resources are numbered as in glue/player.js, imports as in
// src/wasm.rs.
import { play } from 'glue/player.js';
import * as browser from 'tests/browser.js';
const { decoders, dispatched, events, requests, server, settle, sources, video } = browser;

const WOKEN = 0, LOADED = 1, FAILED = 4, OPENED = 7, UPDATED = 8, QUOTA = 9, BROKEN = 10, UNSUPPORTED = 11, SOUGHT = 13;
const PLAYLIST = 0, INIT = 1, SEGMENT = 2;
const load = (...args) => browser.imports[0](...args);
const cancel = (resource) => browser.imports[1](resource);
const append = (resource, start = -1) => browser.imports[2](resource, start);

const equal = (found, wanted) => {
  const [a, b] = [found, wanted].map((value) => JSON.stringify(value));
  if (a != b) throw Error(`${a} in place of ${b}`);
};

const URL = 'http://origin/live/list.m3u8';
const HEAD = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI="init.mp4"\n';
const box = (kind, length = 8) => '\0\0\0' + String.fromCharCode(length) + kind + '\0'.repeat(length - 8);
// Of parts, and numbers of zeros.
const wrap = (kind, ...parts) => {
  const body = parts.map((part) => (typeof part == 'number' ? '\0'.repeat(part) : part)).join('');
  return '\0\0\0' + String.fromCharCode(body.length + 8) + kind + body;
};
const ranges = (...all) => ({ length: all.length, start: (index) => all[index][0], end: (index) => all[index][1] });
const SEGMENT_BODY = box('moof', 16) + box('mdat', 99);

// A session that has a list, and a MediaSource that is open.
const begin = async (lines, options, init = box('moov')) => {
  const session = play(URL, video, options);
  await settle();
  sources.at(-1).open();
  const text = HEAD + lines;
  server[URL] = { body: text };
  server['http://origin/live/init.mp4'] = { body: init };
  load(PLAYLIST, 0);
  await settle();
  load(INIT, text.indexOf('URI="init'));
  await settle();
  events.length = requests.length = 0;
  return { session, text, place: (of) => text.indexOf(of) };
};

// What comes of a segment's request.
const answer = async (uri, answered, lines = `#EXTINF:2,\n${uri}\n`) => {
  const { place } = await begin(lines);
  server['http://origin/live/' + uri] = answered;
  load(SEGMENT, place(uri));
  await settle();
  return events;
};

export const tests = {
  async begins_with_the_core() {
    play(URL, video, { patience: 3 });
    equal(sources.length, 0);
    await settle();
    equal(events, [[WOKEN]]);
    sources[0].open();
    equal(events, [[WOKEN], [OPENED, 3000]]);
  },
  async a_playlist_tells_how_long_it_took() {
    await begin('');
    server[URL] = { body: HEAD, takes: 70 };
    load(PLAYLIST, 0);
    await settle();
    equal(events, [[LOADED + PLAYLIST, 70]]);
  },
  async what_is_no_playlist_has_no_status() {
    for (const body of ['<!doctype html>', '#EXTM3U\n', '', '#EXT-X-TARGETDURATION:2\n']) {
      const { text } = await begin('');
      server[URL] = { body, takes: 404 };
      load(PLAYLIST, 0);
      await settle();
      equal(events, [[FAILED + PLAYLIST, 0]]);
      equal(browser.imports[9](text.length - 1), 10);
    }
  },
  async a_status_is_told_and_its_answer_left() {
    equal(await answer('a.m4s', { status: 503, body: SEGMENT_BODY }), [[FAILED + SEGMENT, 503]]);
    equal(requests[0].signal.aborted, true);
  },
  async a_uri_that_is_none_is_a_failure() {
    const { place } = await begin('#EXTINF:2,\nhttp://[\n');
    load(SEGMENT, place('http://['));
    await settle();
    equal(events, [[FAILED + SEGMENT, 0]]);
  },
  async bodies_have_to_be_whole() {
    equal((await answer('a.m4s', { body: SEGMENT_BODY }))[0][0], LOADED + SEGMENT);
    equal(await answer('b.m4s', { body: SEGMENT_BODY.slice(0, -1) }), [[FAILED + SEGMENT, 0]]);
    equal(await answer('c.m4s', { body: box('moov') }), [[FAILED + SEGMENT, 0]]);
    equal(await answer('d.m4s', { body: '' }), [[FAILED + SEGMENT, 0]]);
    equal(await answer('e.m4s', { body: SEGMENT_BODY, headers: { 'content-length': '999' } }), [[FAILED + SEGMENT, 0]]);
    // What is declared is the length of what was compressed.
    const headers = { 'content-length': '999', 'content-encoding': 'gzip' };
    equal((await answer('f.m4s', { body: SEGMENT_BODY, headers }))[0][0], LOADED + SEGMENT);
  },
  async a_segment_tells_where_it_would_begin() {
    const number = (value) => String.fromCharCode(0, 0, 0, value);
    const track = wrap('trak', wrap('tkhd', number(0), 8, number(1)), wrap('mdia', wrap('mdhd', number(0), 8, number(50)), wrap('vmhd')));
    const traf = wrap('traf', wrap('tfhd', number(0), number(1)), wrap('tfdt', number(0), number(100)));
    const { place } = await begin('#EXTINF:2,\na.m4s\n', {}, wrap('moov', track, wrap('stsd', 24)));
    server['http://origin/live/a.m4s'] = { body: wrap('moof', traf) + box('mdat') };
    load(SEGMENT, place('a.m4s'));
    await settle();
    equal(isNaN(browser.imports[15]()), true);
    append(INIT);
    sources.at(-1).buffer.timestampOffset = 7;
    equal(browser.imports[15](), 9);
  },
  async a_range_that_is_ignored_is_cut_out() {
    const lines = '#EXT-X-BYTERANGE:115@3\n#EXTINF:2,\nall.mp4\n';
    equal((await answer('all.mp4', { body: '???' + SEGMENT_BODY + '???' }, lines))[0][0], LOADED + SEGMENT);
    equal(requests[0].headers, { Range: 'bytes=3-117' });
    append(INIT);
    append(SEGMENT);
    equal(sources.at(-1).buffer.did.at(-1), 'append 115 segments 0');
  },
  async of_a_whole_file_that_passes_for_the_range_the_range_is_cut_out() {
    const lines = '#EXT-X-BYTERANGE:115@8\n#EXTINF:2,\nall.mp4\n';
    await answer('all.mp4', { status: 206, body: box('free') + SEGMENT_BODY + box('free') }, lines);
    append(INIT);
    append(SEGMENT);
    equal(sources.at(-1).buffer.did.at(-1), 'append 115 segments 0');
  },
  async options_are_added_to_each_request() {
    const fetch = { credentials: 'include', headers: { 'x-token': '1' } };
    const { place } = await begin('#EXT-X-BYTERANGE:9@0\n#EXTINF:2,\na.m4s\n', { fetch });
    load(SEGMENT, place('a.m4s'));
    load(PLAYLIST, 0);
    await settle();
    equal(requests.map(({ credentials, cache, headers }) => [credentials, cache, headers]), [
      ['include', 'no-store', { 'x-token': '1', Range: 'bytes=0-8' }],
      ['include', 'no-store', { 'x-token': '1' }],
    ]);
  },
  async the_cache_is_the_options_if_they_say_so() {
    await begin('#EXTINF:2,\na.m4s\n', { fetch: { cache: 'default' } });
    load(PLAYLIST, 0);
    await settle();
    equal(requests.map(({ cache }) => cache), ['default']);
  },
  async of_a_cancelled_request_nothing_is_told() {
    const { place } = await begin('#EXTINF:2,\na.m4s\n');
    server['http://origin/live/a.m4s'] = { body: SEGMENT_BODY };
    load(SEGMENT, place('a.m4s'));
    cancel(SEGMENT);
    cancel(SEGMENT);
    await settle();
    equal([events, requests[0].signal.aborted], [[], true]);
  },
  async it_hurries_at_no_rate_but_its_own() {
    await begin('');
    const hurry = browser.imports[5];
    const rates = [[1, true], [1.1, false], [2, true], [1.5, false], [1, false], [1.1, true]].map(([rate, isHurrying]) => {
      video.playbackRate = rate;
      hurry(isHurrying);
      return video.playbackRate;
    });
    equal(rates, [1.1, 1, 2, 1.5, 1, 1.1]);
  },
  async the_first_variant_that_can_be_is_played() {
    for (const codecs of ['avc1.42c01e', 'mp4a.40.2']) decoders.add(codecs);
    const variant = (codecs, uri) => `#EXT-X-STREAM-INF:BANDWIDTH=1${codecs}\n${uri}\n`;
    // Beside a picture the sound alone is none.
    const sounds = variant(',CODECS="mp4a.40.2"', 's/a.m3u8') + variant(',CODECS="mp4a.40.2,wvtt"', 's/b.m3u8');
    const multivariant = '#EXTM3U\n' + sounds + variant(',CODECS="hvc1"', 'a/a.m3u8') + variant(',CODECS="avc1.42c01e"', 'b/b.m3u8');
    server[URL] = { body: multivariant };
    server['http://origin/live/b/b.m3u8'] = { body: HEAD + '#EXTINF:2,\nx.m4s\n', takes: 9 };
    play(URL, video);
    await settle();
    load(PLAYLIST, 0);
    await settle();
    equal(events, [[WOKEN], [LOADED + PLAYLIST, 9]]);
    load(SEGMENT, (HEAD + '#EXTINF:2,\n').length);
    load(PLAYLIST, 0);
    await settle();
    equal(requests.map(({ url }) => url.slice(19)), ['list.m3u8', 'b/b.m3u8', 'b/x.m4s', 'b/b.m3u8']);
  },
  async variants_do_not_lead_in_circles() {
    server[URL] = { body: '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nother.m3u8\n' };
    server['http://origin/live/other.m3u8'] = { body: '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n' };
    play(URL, video);
    await settle();
    load(PLAYLIST, 0);
    await settle();
    equal([events, requests.length], [[[WOKEN], [FAILED + PLAYLIST, 0]], 2]);
  },
  async what_an_append_is_refused_with_is_told() {
    await answer('a.m4s', { body: SEGMENT_BODY });
    append(INIT);
    for (const [name, event] of [['QuotaExceededError', QUOTA], ['NotSupportedError', UNSUPPORTED], ['Error', BROKEN]]) {
      events.length = 0;
      sources.at(-1).buffer.refusal = name;
      append(SEGMENT);
      equal(events, []);
      await settle();
      equal(events, [[event]]);
    }
  },
  async a_run_is_placed_and_the_next_segment_follows() {
    await answer('a.m4s', { body: SEGMENT_BODY });
    append(INIT);
    append(SEGMENT, 12.5);
    append(SEGMENT);
    append(INIT);
    equal(sources.at(-1).buffer.did, ['append 8 segments 0', 'append 115 sequence 12.5', 'append 115 segments 12.5', 'abort', 'append 8 segments 12.5']);
  },
  async webkit_places_a_run_itself() {
    navigator.vendor = 'Apple Computer, Inc.';
    await answer('a.m4s', { body: SEGMENT_BODY });
    append(INIT);
    append(SEGMENT, 12.5);
    equal(sources.at(-1).buffer.did, ['append 8 segments 0', 'append 115 sequence 0']);
  },
  async chromium_is_given_no_init_without_the_sound_that_was_there() {
    const number = (value) => String.fromCharCode(0, 0, 0, value);
    const track = wrap('trak', wrap('tkhd', number(0), 8, number(1)), wrap('mdia', wrap('mdhd', number(0), 8, number(50)), wrap('vmhd')));
    const one = track + wrap('stsd', 24);
    for (const [vendor, told] of [['Google Inc.', [[BROKEN]]], ['', []]]) {
      navigator.vendor = vendor;
      const { place } = await begin('', {}, wrap('moov', one, one));
      append(INIT);
      server['http://origin/live/init.mp4'] = { body: wrap('moov', one) };
      load(INIT, place('URI="init'));
      await settle();
      events.length = 0;
      append(INIT);
      await settle();
      equal(events, told);
      // In a MediaSource of its own it is.
      browser.imports[7]();
      sources.at(-1).open();
      append(INIT);
      equal(sources.at(-1).buffer.did.length, 1);
    }
  },
  async only_the_seeks_of_others_are_told() {
    await begin('');
    video.buffered = ranges([6, 8]);
    browser.imports[4](7);
    video.dispatchEvent({ type: 'seeking' });
    equal([events, video.currentTime], [[], 7]);
    video.dispatchEvent({ type: 'seeking' });
    equal(events, [[SOUGHT]]);
  },
  async stop_ends_everything_once() {
    const { session } = await begin('');
    load(PLAYLIST, 0);
    session.stop();
    session.stop();
    await settle();
    video.dispatchEvent({ type: 'waiting' });
    equal([events, requests[0].signal.aborted, video.did], [[], true, ['remove src', 'load']]);
  },
  async stopped_before_the_core_is_there() {
    play(URL, video).stop();
    await settle();
    equal([events, sources.length, video.did], [[], 0, ['remove src', 'load']]);
  },
  async another_source_ends_the_session() {
    const { session } = await begin('');
    sources[0].dispatchEvent({ type: 'sourceclose' });
    session.stop();
    equal([events, dispatched, video.did], [[], [], []]);
  },
  async a_lost_media_source_is_replaced() {
    await begin('');
    video.error = {};
    sources[0].dispatchEvent({ type: 'sourceclose' });
    equal(events, [[BROKEN]]);
    browser.imports[7]();
    equal([sources.length, video.src], [2, 'blob:2']);
    sources[0].dispatchEvent({ type: 'sourceopen' });
    equal(events.length, 1);
  },
  async without_web_assembly() {
    browser.withoutWebAssembly();
    play(URL, video);
    await settle();
    equal(dispatched, [{ code: 9, fatal: true, message: 'no WebAssembly' }]);
  },
};

// Of player-full.js alone.
export const full = {
  async the_best_variant_is_chosen_that_the_link_and_the_picture_allow() {
    decoders.add('avc1.42c01e');
    const variant = (bandwidth, height, uri, codecs = 'avc1.42c01e') =>
      `#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=${1e4 - bandwidth},BANDWIDTH=${bandwidth},RESOLUTION=1x${height},CODECS="${codecs}"\n${uri}.m3u8\n`;
    server[URL] = {
      body: '#EXTM3U\n' + variant(500, 360, 'mid') + variant(2000, 2160, 'high') + variant(900, 720, 'good') +
        variant(100, 90, 'low') + variant(1, 90, 'other', 'hvc1') + variant(2, 90, 'sound', 'mp4a.40.2'),
    };
    decoders.add('mp4a.40.2');
    for (const name of ['mid', 'high', 'good', 'low']) server[`http://origin/live/${name}.m3u8`] = { body: HEAD };
    play(URL, video);
    await settle();
    const choose = async (limit, goesUp) => {
      const isOther = browser.imports[16](limit, goesUp);
      load(PLAYLIST, 0);
      await settle();
      return [isOther, requests.at(-1).url.slice(19)];
    };
    load(PLAYLIST, 0);
    await settle();
    // The author's first.
    equal(requests.at(-1).url.slice(19), 'mid.m3u8');
    equal(await choose(600, 1), [0, 'mid.m3u8']);
    equal(await choose(1e9, 0), [0, 'mid.m3u8']);
    equal(await choose(50, 0), [1, 'low.m3u8']);
    equal(await choose(1000, 1), [1, 'good.m3u8']);
    equal(await choose(1e9, 1), [1, 'high.m3u8']);
    // The smallest that covers the picture will do.
    video.clientHeight = 300;
    equal(await choose(1e9, 1), [1, 'mid.m3u8']);
  },
  async without_variants_there_is_no_choice() {
    await begin('');
    equal(browser.imports[16](0, 0), 0);
  },
  async a_segment_tells_how_fast_it_came() {
    equal(await answer('a.m4s', { body: SEGMENT_BODY, takes: 23 }), [[LOADED + SEGMENT, 115 * 8000 / 23]]);
  },
  async the_sound_is_fetched_and_fed_by_itself() {
    const { picture, sound } = await together();
    equal([picture.events, sound.events], [[[LOADED + PLAYLIST, 0]], [[OPENED, NaN], [WOKEN]]]);
    sound.imports[0](PLAYLIST, 0);
    await settle();
    equal(requests.map(({ url }) => url.slice(19)), ['list.m3u8', 'video.m3u8', 'a/audio.m3u8']);
    // No init before there are both SourceBuffers.
    await fetched(picture, 'init.mp4');
    picture.imports[2](INIT, -1);
    equal(sources[0].sourceBuffers, []);
    await fetched(sound, 'init.mp4');
    sound.imports[2](INIT, -1);
    equal(sources[0].sourceBuffers.map(({ did }) => did), [['append 112 segments 0'], ['append 112 segments 0']]);
    // Each sees what is in its own.
    sources[0].sourceBuffers[0].buffered = { length: 1, start: () => 2, end: () => 3 };
    equal([0, 1, 2].map((index) => [picture, sound].map(({ imports }) => imports[13](index))), [[2, -1], [3, -1], [-1, -1]]);
  },
  async without_a_uri_or_a_group_there_is_no_rendition() {
    const media = (more, group = 'g') => `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${group}",NAME="x"${more}\n`;
    const uri = (name) => `,URI="${name}.m3u8"`;
    for (const [lines, group, found] of [
      [media(''), ',AUDIO="g"', []],
      [media(uri('b'), 'other'), ',AUDIO="g"', []],
      [media(uri('c')), '', []],
      [media(uri('d')).replace('AUDIO', 'SUBTITLES'), ',AUDIO="g"', []],
      [media(uri('e')) + media(',DEFAULT=YES'), ',AUDIO="g"', []],
      [media(uri('f')) + media(uri('g') + ',DEFAULT=YES'), ',AUDIO="g"', ['g.m3u8']],
      [media(uri('h')) + media(uri('i')), ',AUDIO="g"', ['h.m3u8']],
    ]) {
      browser.cores.length = 0;
      const session = play(URL, video);
      await settle();
      server[URL] = { body: `#EXTM3U\n${lines}#EXT-X-STREAM-INF:BANDWIDTH=1${group}\nvideo.m3u8\n` };
      requests.length = 0;
      browser.cores[0].imports[0](PLAYLIST, 0);
      await settle();
      browser.cores[1]?.imports[0](PLAYLIST, 0);
      await settle();
      equal([requests[2]].flatMap((request) => request?.url.slice(19) ?? []), found);
      session.stop();
    }
  },
  async picture_and_sound_are_put_by_one_offset() {
    const { picture, sound } = await appended();
    const [of_picture, of_sound] = sources[0].sourceBuffers;
    of_picture.buffered = { length: 1, start: () => 0, end: () => 1 };
    // Ten seconds by its own clock.
    picture.imports[2](SEGMENT, 4);
    equal(of_picture.did.at(-1), 'append 56 segments 0');
    picture.imports[2](SEGMENT, 50);
    equal(of_picture.did.at(-1), 'append 56 sequence 50');
    of_picture.updating = true;
    of_picture.timestampOffset = 40;
    sound.imports[2](SEGMENT, 10.2);
    equal(of_sound.did.at(-1), 'append 56 segments 0');
    for (const [updating, told] of [[true, [[QUOTA]]], [false, []]]) {
      of_picture.updating = updating;
      of_sound.did.length = sound.events.length = 0;
      sound.imports[2](SEGMENT, 50.3);
      await settle();
      equal([sound.events, of_sound.did], [told, updating ? [] : ['append 56 segments 40']]);
    }
    // Where the picture has not got to another clock either, and does not in time.
    for (let tries = 1; tries < 7; tries++) {
      sound.imports[2](SEGMENT, 70);
      await settle();
      equal([sound.events.length, of_sound.did.length], [tries, 1]);
    }
    sound.imports[2](SEGMENT, 70);
    await settle();
    equal([sound.events.length, of_sound.did.at(-1)], [6, 'append 56 sequence 70']);
  },
  async one_that_is_lost_or_gone_takes_the_other_with_it() {
    const { picture, sound } = await appended();
    const [of_picture, of_sound] = sources[0].sourceBuffers;
    of_picture.buffered = { length: 1, start: () => 0, end: () => 1 };
    of_sound.refusal = 'Error';
    sound.imports[2](SEGMENT, -1);
    await settle();
    equal([picture.events, sound.events], [[[BROKEN]], []]);
    picture.imports[7]();
    equal([sources.length, sound.events], [2, [[BROKEN]]]);
    sound.imports[7]();
    await settle();
    equal([sources.length, picture.events.length], [2, 1]);
    sources[1].open();
    equal([picture.events.at(-1), sound.events.at(-1)], [[OPENED, NaN], [OPENED, NaN]]);
    // One that stands still has lost it for both.
    sound.imports[7]();
    await settle();
    equal(picture.events.at(-1), [BROKEN]);
    // What was under way then has been answered for.
    server['http://origin/live/a/audio.m3u8'] = server['http://origin/live/video.m3u8'] = { status: 404 };
    picture.events.length = sound.events.length = 0;
    sound.imports[0](PLAYLIST, 0);
    picture.imports[0](PLAYLIST, 0);
    await settle();
    equal([picture.events, sound.events], [[[FAILED, 404]], [[FAILED, 404]]]);
  },
  async where_the_sound_is_gone_no_variant_takes_its_place() {
    const { picture, sound } = await together('#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="g"\nother.m3u8\n');
    // What the core asks as soon as it hears of it.
    const answers = [];
    const push = picture.events.push.bind(picture.events);
    picture.events.push = (event) => {
      if (event[0] == FAILED) answers.push(picture.imports[16](-1, 0));
      return push(event);
    };
    server['http://origin/live/a/audio.m3u8'] = { status: 404 };
    sound.imports[0](PLAYLIST, 0);
    await settle();
    equal([answers, picture.events.at(-1)], [[0], [FAILED, 404]]);
    // With patience it may come back, and the variants are there as before.
    equal(picture.imports[16](-1, 0), 1);
  },
  async no_sound_is_appended_that_comes_before_the_picture() {
    const { picture, sound } = await appended();
    const [of_picture, of_sound] = sources[0].sourceBuffers;
    of_sound.did.length = 0;
    sound.imports[2](SEGMENT, -1);
    await settle();
    equal([of_sound.did, sound.events], [[], [[QUOTA]]]);
    // It is told when that has begun, and then tries again.
    sources[0].readyState = 'open';
    of_picture.buffered = { length: 1, start: () => 2, end: () => 3 };
    of_picture.dispatchEvent({ type: 'updateend' });
    equal([picture.events, sound.events.at(-1)], [[[UPDATED]], [OPENED, NaN]]);
    sound.imports[2](SEGMENT, -1);
    equal([of_sound.did, of_sound.appendWindowStart], [['append 56 segments 0'], 2]);
    // Once there is sound the window stays where it is.
    of_sound.buffered = of_picture.buffered;
    of_picture.buffered = { length: 1, start: () => 9, end: () => 10 };
    sound.imports[2](SEGMENT, -1);
    equal(of_sound.appendWindowStart, 2);
  },
  async the_playhead_goes_to_where_there_is_picture_and_sound() {
    const { picture, sound } = await appended();
    // As yet there is none of both.
    picture.imports[4](2);
    sound.imports[4](2);
    equal(video.currentTime, 0);
    // The sound begins a little later.
    video.buffered = ranges([2.02, 4], [6, 9]);
    picture.imports[4](2);
    equal(video.currentTime, 2.02);
    sound.imports[4](2.02);
    equal(video.currentTime, 2.02);
    // Behind the end there is nothing yet.
    for (const to of [9, 10]) picture.imports[4](to);
    equal(video.currentTime, 2.02);
    // Where it was may be in a hole now, or between two segments: nothing else would lead it out.
    for (const to of [4, 5]) {
      video.currentTime = 0;
      picture.imports[4](to);
      equal(video.currentTime, 6);
    }
    picture.imports[4](6);
    equal(video.currentTime, 6);
    // WebKit may tell where a seek comes from while it is under way, and forget it.
    Object.assign(video, { seeking: true, currentTime: 3 });
    picture.imports[4](6.5);
    equal(video.currentTime, 6.5);
    // The picture leads.
    sound.imports[4](6);
    equal(video.currentTime, 6.5);
    sound.imports[4](7);
    equal(video.currentTime, 7);
  },
  async the_end_is_that_of_both() {
    const { picture, sound } = await appended();
    picture.imports[6]();
    equal(sources[0].ends, 0);
    sound.imports[6]();
    equal(sources[0].ends, 1);
  },
  async what_is_fatal_to_the_sound_is_told_once_and_ends_both() {
    const { picture, sound } = await appended();
    sound.imports[10](1);
    sound.imports[10](6);
    sound.imports[8]();
    await settle();
    video.dispatchEvent({ type: 'waiting' });
    equal([dispatched.map(({ code }) => code), sources[0].ends, picture.events, sound.events], [[6], 1, [], []]);
  },
};

// Of the resources of a core, which its playlist lists.
const fetched = async ({ imports }, uri) => {
  imports[0](uri == 'init.mp4' ? INIT : SEGMENT, uri == 'init.mp4' ? HEAD.indexOf('URI="init') : HEAD.length);
  await settle();
};

// A session of two, with a MediaSource that is open.
const together = async (others = '') => {
  const variant = '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"\nvideo.m3u8\n';
  server[URL] = { body: `#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",URI="a/audio.m3u8"\n${variant}${others}` };
  const number = (value) => String.fromCharCode(0, 0, 0, value);
  const track = wrap('trak', wrap('tkhd', number(0), 8, number(1)), wrap('mdia', wrap('mdhd', number(0), 8, number(10)), wrap('smhd')));
  const traf = wrap('traf', wrap('tfhd', number(0), number(1)), wrap('tfdt', number(0), number(100)));
  for (const name of ['', 'a/']) {
    server[`http://origin/live/${name}init.mp4`] = { body: wrap('moov', track, wrap('stsd', 24)) };
    server[`http://origin/live/${name}x.m4s`] = { body: wrap('moof', traf) + box('mdat') };
  }
  server['http://origin/live/video.m3u8'] = server['http://origin/live/a/audio.m3u8'] = { body: HEAD + 'x.m4s\n' };
  play(URL, video);
  await settle();
  sources[0].open();
  const [picture] = browser.cores;
  picture.events.length = 0;
  picture.imports[0](PLAYLIST, 0);
  await settle();
  const sound = browser.cores[1];
  return { picture, sound };
};

// And both have an init and a segment of ten seconds by their clock.
const appended = async () => {
  const both = await together();
  both.sound.imports[0](PLAYLIST, 0);
  await settle();
  for (const core of [both.picture, both.sound]) {
    await fetched(core, 'init.mp4');
    await fetched(core, 'x.m4s');
    core.imports[2](INIT, -1);
  }
  for (const core of [both.picture, both.sound]) core.events.length = 0;
  return both;
};
