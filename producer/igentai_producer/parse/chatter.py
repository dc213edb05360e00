"""What a model says around its list: `Sure! Here are…`, `Let me know…`, `以下は…`."""

from __future__ import annotations

import re
from typing import Final

from igentai_producer.parse.words import capitals, ends_as_sentence, is_caseless, is_sentence, is_unspaced

# Beginnings nobody gives a name, whatever follows.
_ALWAYS: Final = re.compile(
    r"(?:let me know (?:if|when|which|what|whether|how|should)|feel free to|as an ai\b|i hope (?:this|these|"
    r"that|you)|"
    r"hope (?:this|that) helps|would you like (?:me|more|to|a)\b|do you want me|if you(?:['’]d| would| need|"
    r" want| have)\b.*[.?!]|"
    r"is there anything else|here(?:['’]s| is| are) (?:a|an|the|some|more|my|your|\d+|just|another|additional|"
    r"several)\b|"
    r"(?:below|following) (?:is|are) |the following (?:is|are|list|items)|i(?:['’]ve| have) (?:listed|included|"
    r"provided|"
    r"compiled|tried|added|put)|please (?:note|let me|feel free)|note(?: that\b|:)|\(?note[: ]|disclaimer:|"
    r"keep in mind|"
    r"this (?:list|is (?:a|an|not|by no|just)\b).*[.:]|these (?:are|items|examples)\b.*[.:]|there are (?:many|"
    r"also|several|"
    r"no more|countless)|this is not an exhaustive|and (?:many|so many|much) (?:more|others)|i(?:['’]m|"
    r" am) (?:happy|glad|here|"
    r"sorry|unable|not able)|i can(?:not|['’]t)? (?:provide|help|give|list|also|continue)|happy to\b|"
    r"in (?:summary|conclusion),|"
    r"to summari[sz]e|n['’]hésitez pas|j['’]espère|espero que|fammi sapere|lass(?:en sie)? (?:es )?mich|ich hoffe|"
    r"希望(?:这|這|以上|对|對|能)|如果(?:您|你)|ご参考|お役に立|他にも?(?:何か|ご)|도움이 되|더 필요|надеюсь|"
    r"дайте знать|آمل|umarım)",
    re.IGNORECASE,
)
# Beginnings that are chatter only where the line also closes like a sentence or opens a list.
_OFTEN: Final = re.compile(
    r"(?:sure|certainly|of course|absolutely|definitely|okay|ok|alright|great|enjoy|no problem|got it|"
    r"understood|here|below|i |"
    r"i['’]|we |you |this |these |those |they |it |there |if |remember|overall|additionally|however|let['’]?s |"
    r"voici|bien sûr|certainement|d['’]accord|avec plaisir|si vous|ces |cette liste|"
    r"aquí|claro|por supuesto|si (?:necesitas|deseas|quieres|necesita)|esta lista|estos|desde luego|con gusto|"
    r"aqui|com certeza|se (?:precisar|quiser)|esta é|"
    r"hier|natürlich|gerne?\b|selbstverständlich|wenn (?:sie|du)|diese|"
    r"ecco|certo|certamente|spero|se (?:vuoi|hai|desideri)|"
    r"natuurlijk|laat |oto|oczywiście|jeśli|işte|elbette|tabii|eğer|berikut|tentu|dưới đây|tất nhiên|hy vọng|"
    r"вот|конечно|если |ниже|разумеется|هذه|هذا|إليك|بالتأكيد|بالطبع|فيما يلي|إذا|"
    r"यहाँ|यहां|ज़रूर|बिल्कुल|निश्चित|ये |यदि |अगर |"
    r"以下|下面|当然|當然|好的|这些|這些|这是|這是|请|請|もちろん|承知|はい|こちら|これら|必要|"
    r"다음은|물론|네[,.! ]|여기|이 목록|필요)",
    re.IGNORECASE,
)
_OPENS: Final = (":", "：")
# A whole line that only says that there is more, or nothing.
_FILLERS: Final = re.compile(
    r"\W*(?:etc|et cetera|and (?:so on|so forth|many more|more|others|many others)|among others|and the list goes on|"
    r"continued?|cont(?:inue)?d|to be continued|end(?: of (?:the )?list)?|the end|n/?a|tbd|et ainsi de suite|"
    r"y más|und so weiter|usw|"
    r"и так далее|и т\.? ?д|など|等等|等)\W*",
    re.IGNORECASE,
)
_NOTHING: Final = re.compile(
    r"\W*(?:none|nothing(?: more| else| left)?|no(?: more| further| other| additional| new)?(?: items?|"
    r" entries| results?| "
    r"attributes?| answers?)?|done|n/?a|null|empty|无|無|没有(?:了)?|なし|特になし|없음|нет|ninguno|"
    r"aucun(?:e)?|keine|nessuno)\W*",
    re.IGNORECASE,
)


def opens_list(line: str) -> bool:
    """Whether the line announces what follows it."""
    return line.rstrip("*_ ").endswith(_OPENS)


def is_chatter(line: str) -> bool:
    """Whether an unmarked line is talk around the list."""
    text = line.strip("*_ ")
    if _ALWAYS.match(text):
        return not _is_title(text)
    if not _OFTEN.match(text):
        return False
    if opens_list(text):
        return True
    if is_unspaced(text):
        return len(text) >= 12 and ends_as_sentence(text)
    return ends_as_sentence(text) and (len(text.split()) <= 2 or capitals(text) < 0.8)


def _is_title(text: str) -> bool:
    """Whether the text is written as a title: I Can't Help Myself."""
    return len(text.split()) >= 3 and not is_caseless(text) and not text.endswith((":", ".")) and capitals(text) >= 0.8


def is_filler(item: str) -> bool:
    """Whether a list entry names nothing: `etc.`, `and many more`."""
    return _FILLERS.fullmatch(item) is not None


def is_stray(item: str) -> bool:
    """Whether a list entry is talk that got a marker by accident."""
    return is_filler(item) or (_ALWAYS.match(item) is not None and (is_sentence(item, 4) or opens_list(item)))


def says_none(text: str) -> bool:
    """Whether the whole reply says that there is nothing (more)."""
    return len(text) < 60 and _NOTHING.fullmatch(text) is not None
